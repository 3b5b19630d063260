// The process: refuses a processor that it was not built for, then does what the command line says.
import Glibc
import Kernels

let missing = Processor.missingFeatures()
if !missing.isEmpty {
  Terminal.warn(
    """
    zs: this build uses processor features that this machine lacks: \(missing.joined(separator: " "))
    hint: scripts/zs builds for the machine it runs on; ZS_MARCH=x86-64-v3 scripts/zs builds for most

    """)
  exit(1)
}
if let text = getenv("ZS_THREADS").map({ String(cString: $0) }), !text.isEmpty {
  guard let threads = Int(text), (1...256).contains(threads) else {
    Terminal.warn("zs: ZS_THREADS is '\(text)'; it should be a number from 1 to 256\n")
    exit(ExitStatus.usage)
  }
  ThreadPool.shared.configure(threads: threads)
}
exit(ZsCommand.start(Array(CommandLine.arguments.dropFirst())))
