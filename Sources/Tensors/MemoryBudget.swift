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

  /// The smallest room that any control group above this process leaves: limit minus what is used; page cache counts as free,
  /// because the kernel drops it first.
  private static func controlGroupHeadroom() -> Int? {
    let lines = contents("/proc/self/cgroup")?.split(separator: "\n") ?? []
    let groups = lines.map { $0.split(separator: ":", omittingEmptySubsequences: false) }
    var headrooms: [Int] = []
    for group in groups where group.count >= 3 && (group[1].isEmpty || group[1].split(separator: ",").contains("memory")) {
      let isUnified = group[1].isEmpty
      let root = isUnified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory"
      // The path as the host sees it may not exist in a container; its root does.
      var path = group[2...].joined(separator: ":")
      while true {
        if let room = headroom(of: root + (path == "/" ? "" : path), isUnified: isUnified) { headrooms.append(room) }
        if path.isEmpty || path == "/" { break }
        path = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
      }
    }
    return headrooms.min()
  }

  private static func headroom(of folder: String, isUnified: Bool) -> Int? {
    let names =
      isUnified
      ? ("memory.max", "memory.current", "inactive_file") : ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    guard let limit = number("\(folder)/\(names.0)"), let used = number("\(folder)/\(names.1)") else { return nil }
    return max(0, limit - used + (field(names.2, in: "\(folder)/memory.stat") ?? 0))
  }

  private static func number(_ path: String) -> Int? {
    guard let text = contents(path) else { return nil }
    return Int(text.prefix { $0.isNumber })
  }

  static func field(_ key: String, in path: String) -> Int? {
    guard let text = contents(path) else { return nil }
    for line in text.split(separator: "\n") where line.hasPrefix(key) {
      return line.dropFirst(key.count).split(whereSeparator: \.isWhitespace).first.flatMap { Int($0) }
    }
    return nil
  }

  /// The first bytes of a text file of the system.
  static func contents(_ path: String, limit: Int = 16384) -> String? {
    let descriptor = open(path, O_RDONLY)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: limit)
    var length = 0
    // Such files are read in pieces of the system's choice.
    while length < limit {
      let count = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress?.advanced(by: length), limit - length) }
      if count <= 0 { break }
      length += count
    }
    guard length > 0 else { return nil }
    return String(decoding: bytes[..<length], as: UTF8.self)
  }
}
