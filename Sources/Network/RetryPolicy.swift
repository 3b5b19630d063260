// How often to try, and how long to wait between: exponential backoff with jitter, or what the server asked for.

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// How often a request is made and how long to wait before the next time.
public struct RetryPolicy: Sendable, Equatable {
  /// The most attempts, the first included; at least 1.
  public var attempts: Int
  /// The wait before the second attempt, in seconds; it doubles with each further one.
  public var firstDelaySeconds: Double
  /// The longest wait of our own choice, in seconds.
  public var maxDelaySeconds: Double
  /// The longest wait that a server's `Retry-After` is granted, in seconds; where it asks for more, the request fails.
  public var maxRetryAfterSeconds: Double

  /// A policy.
  public init(
    attempts: Int = 5, firstDelaySeconds: Double = 0.5, maxDelaySeconds: Double = 20, maxRetryAfterSeconds: Double = 120
  ) {
    self.attempts = max(1, attempts)
    self.firstDelaySeconds = firstDelaySeconds
    self.maxDelaySeconds = maxDelaySeconds
    self.maxRetryAfterSeconds = maxRetryAfterSeconds
  }

  /// The most attempts where one failed in this way: a name that does not resolve is rarely there a second later.
  public func attempts(after error: NetworkError) -> Int { error.kind == .noSuchHost ? min(2, attempts) : attempts }

  /// The wait after a failed attempt, in seconds; nil where there shall be no other.
  ///
  /// Half of the wait is fixed and half drawn, so that clients which failed together do not come back together.
  ///
  /// - Parameters:
  ///   - attempt: The number of the attempt that failed, from 1.
  ///   - random: A number in 0...1.
  public func delay(after error: NetworkError, attempt: Int, random: Double = Double.random(in: 0...1)) -> Double? {
    guard error.isWorthRetrying, attempt < attempts(after: error) else { return nil }
    if let asked = error.retryAfterSeconds { return asked <= maxRetryAfterSeconds ? asked : nil }
    var delay = firstDelaySeconds
    for _ in 1..<max(1, attempt) where delay < maxDelaySeconds { delay *= 2 }
    delay = min(delay, maxDelaySeconds)
    return delay / 2 + delay / 2 * random
  }
}

/// A failed attempt that will be followed by another.
public struct RetryNotice: Sendable {
  /// The number of the attempt that failed, from 1.
  public var attempt: Int
  /// The most attempts there will be.
  public var attempts: Int
  /// The wait until the next one, in seconds.
  public var delaySeconds: Double
  /// Why it failed.
  public var error: NetworkError

  /// Makes a notice.
  public init(attempt: Int, attempts: Int, delaySeconds: Double, error: NetworkError) {
    self.attempt = attempt
    self.attempts = attempts
    self.delaySeconds = delaySeconds
    self.error = error
  }
}

/// The seconds that a `Retry-After` header asks for: a number, or a date in the form of RFC 9110, section 5.6.7.
package func retryAfterSeconds(_ text: String, now: Date = Date()) -> Double? {
  let text = text.split(separator: " ").joined(separator: " ")
  if let seconds = Double(text) { return seconds.isFinite ? min(max(0, seconds), 1e9) : nil }
  // "Sun, 06 Nov 1994 08:49:37 GMT"
  let parts = text.split(separator: " ")
  let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
  guard parts.count == 6, parts[5] == "GMT", let day = Int(parts[1]), (1...31).contains(day),
    let month = months.firstIndex(of: String(parts[2])),
    let year = Int(parts[3]), (1970...9999).contains(year)
  else { return nil }
  let clock = parts[4].split(separator: ":").compactMap { Int($0) }
  guard clock.count == 3, (0...23).contains(clock[0]), (0...59).contains(clock[1]), (0...60).contains(clock[2]) else { return nil }
  let days = daysSince1970(year: year, month: month + 1, day: day)
  let date = Double(days * 86_400 + clock[0] * 3600 + clock[1] * 60 + clock[2])
  return max(0, date - now.timeIntervalSince1970)
}

/// Days from 1970-01-01 in the Gregorian calendar.
private func daysSince1970(year: Int, month: Int, day: Int) -> Int {
  // Years begin in March, so that the leap day is the last of its year.
  let year = month <= 2 ? year - 1 : year
  let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
  let (era, yearOfEra) = (year / 400, year % 400)
  return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
}
