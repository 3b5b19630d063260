// How much memory the process may still take: the kernel's estimate, bounded by the control group's limit (containers).
// Nothing is allocated here; Storage asks before it takes a block from the system.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The memory that is free for this process.
enum MemoryBudget {
  /// Bytes that can be allocated and written without swapping or meeting a limit; nil where the system does not say.
  static func availableBytes() -> Int? {
    guard let machine = meminfo("MemAvailable:") else { return nil }
    guard let group = controlGroupHeadroom() else { return machine }
    return min(machine, group)
  }

  private static func meminfo(_ key: String) -> Int? {
    guard let kibibytes = field(key, in: "/proc/meminfo") else { return nil }
    return kibibytes.multipliedReportingOverflow(by: 1024).partialValue
  }

  /// Limit of the control group minus what is used; page cache counts as free, because the kernel drops it first.
  private static func controlGroupHeadroom() -> Int? {
    let root = "/sys/fs/cgroup"
    if let limit = number("\(root)/memory.max"), let used = number("\(root)/memory.current") {
      return max(0, limit - used + (field("inactive_file", in: "\(root)/memory.stat") ?? 0))
    }
    if let limit = number("\(root)/memory/memory.limit_in_bytes"), let used = number("\(root)/memory/memory.usage_in_bytes") {
      return max(0, limit - used + (field("total_inactive_file", in: "\(root)/memory/memory.stat") ?? 0))
    }
    return nil
  }

  private static func number(_ path: String) -> Int? {
    guard let text = contents(path) else { return nil }
    return Int(text.prefix { $0.isNumber })
  }

  private static func field(_ key: String, in path: String) -> Int? {
    guard let text = contents(path) else { return nil }
    for line in text.split(separator: "\n") where line.hasPrefix(key) {
      return line.dropFirst(key.count).split(separator: " ").first.flatMap { Int($0) }
    }
    return nil
  }

  /// The first 16 KiB of a small text file of the system.
  private static func contents(_ path: String) -> String? {
    let descriptor = open(path, O_RDONLY)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 16384)
    let length = read(descriptor, &bytes, bytes.count)
    guard length > 0 else { return nil }
    return String(decoding: bytes[..<length], as: UTF8.self)
  }
}
