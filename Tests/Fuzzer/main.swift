// The long run: `Fuzzer TARGET COUNT SEED FOLDER` feeds one parser; scripts/fuzz runs all of them. Before each input is parsed it
// stands in FOLDER/TARGET.current, so that what ends the process is not lost: `Fuzzer TARGET replay FILE` runs such a file again.

import Formats
import Fuzzing

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// Seconds of the processor that one input may take before SIGPROF ends the process.
let secondsPerInput = 10
/// Bytes of address space that the process may take.
let memoryLimit: UInt = 3 << 30

func fail(_ message: String) -> Never {
  let line = "Fuzzer: \(message)\n"
  _ = line.withCString { write(STDERR_FILENO, $0, line.utf8.count) }
  exit(2)
}

func seconds(_ clock: clockid_t = CLOCK_MONOTONIC) -> Double {
  var now = timespec()
  clock_gettime(clock, &now)
  return Double(now.tv_sec) + Double(now.tv_nsec) * 1e-9
}

/// Starts the count of what the next input may use; 0 ends it.
func limitProcessor(seconds: Int) {
  var timer = itimerval(it_interval: timeval(), it_value: timeval(tv_sec: seconds, tv_usec: 0))
  setitimer(__itimer_which_t(ITIMER_PROF.rawValue), &timer, nil)
}

/// The file that holds the input at work: its length, then its bytes.
struct CurrentInput {
  private let memory: UnsafeMutableRawPointer

  init(path: String) {
    let size = 1 << 17
    let descriptor = open(path, O_RDWR | O_CREAT | O_TRUNC, 0o600)
    guard descriptor >= 0, ftruncate(descriptor, off_t(size)) == 0,
      let mapped = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0), mapped != MAP_FAILED
    else { fail("cannot write \(path)") }
    close(descriptor)
    memory = mapped
  }

  func set(_ bytes: [UInt8]) {
    memory.storeBytes(of: UInt64(bytes.count), as: UInt64.self)
    bytes.withUnsafeBytes { if let base = $0.baseAddress { (memory + 8).copyMemory(from: base, byteCount: $0.count) } }
  }
}

let arguments = CommandLine.arguments
guard arguments.count >= 4, let target = FuzzTarget(rawValue: arguments[1]) else {
  fail(
    "Fuzzer TARGET COUNT SEED FOLDER, or Fuzzer TARGET replay FILE; targets: \(FuzzTarget.allCases.map(\.rawValue).joined(separator: " "))")
}
var limit = rlimit(rlim_cur: memoryLimit, rlim_max: memoryLimit)
setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)

do {
  if arguments[2] == "replay" {
    let bytes = try FileContents.read(arguments[3])
    let count = bytes.count < 8 ? 0 : (0..<8).reduce(0) { $0 | Int(bytes[$1]) << (8 * $1) }
    let input = Array(bytes.dropFirst(8).prefix(count))
    print("\(input.count) bytes: \(String(decoding: input.prefix(300), as: UTF8.self).debugDescription)")
    print(FuzzRunner(target, folder: "/tmp").run(input) ? "accepted" : "refused")
    exit(0)
  }
  guard let count = Int(arguments[2]), let seed = UInt64(arguments[3]) else { fail("COUNT and SEED are numbers") }
  let folder = arguments.count > 4 ? arguments[4] : "."
  let fixtures = arguments.count > 5 ? arguments[5] : "Tests/TokenizersTests/Fixtures"
  let mutator = try target.mutator(fixtures: fixtures)
  let runner = FuzzRunner(target, folder: folder)
  let path = "\(folder)/\(target.rawValue).current"
  let current = CurrentInput(path: path)
  for (index, valid) in mutator.corpus.enumerated() where !runner.run(valid) { fail("\(target.rawValue): valid input \(index) is refused") }
  let began = seconds()
  var accepted = 0
  var longest = 0.0
  for index in 0..<count {
    var random = FuzzRandom(seed: seed, input: index)
    let input = mutator.input(&random)
    current.set(input)
    limitProcessor(seconds: secondsPerInput)
    let start = seconds(CLOCK_PROCESS_CPUTIME_ID)
    if runner.run(input) { accepted += 1 }
    longest = max(longest, seconds(CLOCK_PROCESS_CPUTIME_ID) - start)
  }
  limitProcessor(seconds: 0)
  let time = seconds() - began
  var usage = rusage()
  getrusage(RUSAGE_SELF.rawValue, &usage)
  unlink(path)
  print(
    "\(target.rawValue): \(count) inputs in \(Int(time)) s, \(Int(Double(count) / time)) a second, \(accepted) accepted, "
      + "longest \(Int(longest * 1000)) ms, peak \(usage.ru_maxrss / 1024) MiB, seed \(seed)")
} catch {
  fail("\(error)")
}
