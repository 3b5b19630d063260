// Refuses to run on a processor that the kernels were not built for, with a sentence instead of a crash.
import Glibc
import Kernels

enum Processor {
  /// Features that this build needs and the processor lacks; empty where all is well or nothing is known.
  static func missingFeatures() -> [String] {
    let required = String(cString: requiredProcessorFeatures()).split(separator: " ").map(String.init)
    if required.isEmpty { return [] }
    let present = features()
    return present.isEmpty ? [] : required.filter { !present.contains($0) }
  }

  /// The features of the first core, from the first lines of /proc/cpuinfo.
  private static func features() -> Set<String> {
    let descriptor = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return [] }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 16384)
    let count = read(descriptor, &bytes, bytes.count)
    guard count > 0 else { return [] }
    let text = String(decoding: bytes[..<count], as: UTF8.self)
    let line = text.split(separator: "\n").first { $0.hasPrefix("flags") || $0.hasPrefix("Features") }
    return Set((line?.split(separator: ":").last ?? "").split(separator: " ").map(String.init))
  }
}
