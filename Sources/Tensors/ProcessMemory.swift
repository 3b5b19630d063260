// What this process holds of the machine's memory now, as the system counts it, and what it may still take.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Memory of the process.
public struct ProcessMemory: Sendable, Equatable {
  /// Bytes that are resident: its own and those of mapped files it has touched.
  public var residentBytes: Int
  /// The most that were resident at any time.
  public var peakBytes: Int
  /// Bytes that it can still take without swapping or meeting a limit; nil where the system does not say.
  public var availableBytes: Int?

  /// The memory now; nil where the system does not tell.
  public static func now() -> ProcessMemory? {
    guard let resident = kibibytes("VmRSS:", "/proc/self/status"), let peak = kibibytes("VmHWM:", "/proc/self/status") else { return nil }
    return ProcessMemory(residentBytes: resident, peakBytes: peak, availableBytes: MemoryBudget.availableBytes())
  }

  /// Bytes of mapped files under a path, a file or a folder, that are resident.
  public static func residentBytes(ofFilesUnder path: String) -> Int {
    guard let resolved = realpath(path, nil) else { return 0 }
    defer { free(resolved) }
    let path = String(cString: resolved)
    // A mapping is a line that ends in the file's path, followed by lines of numbers.
    var (isWanted, total) = (false, 0)
    for line in (MemoryBudget.contents("/proc/self/smaps", limit: 4 << 20) ?? "").split(separator: "\n") {
      let words = line.split(separator: " ")
      if let first = words.first, !first.hasSuffix(":") {
        let name = words.dropFirst(5).joined(separator: " ")
        isWanted = name == path || name.hasPrefix(path + "/")
      } else if isWanted, line.hasPrefix("Rss:"), words.count > 1 {
        total += (Int(words[1]) ?? 0) << 10
      }
    }
    return total
  }

  private static func kibibytes(_ key: String, _ path: String) -> Int? { MemoryBudget.field(key, in: path).map { $0 << 10 } }
}
