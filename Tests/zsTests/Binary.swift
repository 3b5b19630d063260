// Runs the built binary as a person or a script would.
import Foundation
import XCTest

/// What a run of the binary gave.
struct Outcome {
  var status: Int32
  var output: String
  var errors: String
}

enum Binary {
  /// The binary beside the test bundle.
  static let path: String = {
    let bundle = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath().deletingLastPathComponent()
    return bundle.appendingPathComponent("zs").path
  }()

  /// The root of the checkout.
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

  /// Runs it to the end; `interruptAfter` sends a signal after that many seconds, `interruptAt` when the program has made that file:
  /// on a busy machine nobody knows when it gets so far.
  static func run(
    _ arguments: [String], input: String? = nil, environment: [String: String] = [:], interruptAfter: Double? = nil,
    interruptAt path: String? = nil, signal: Int32 = SIGINT
  ) throws -> Outcome {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Binary.path)
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: root)
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    let (standardInput, output, errors) = (Pipe(), Pipe(), Pipe())
    process.standardInput = standardInput
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    let collected = Collected()
    let group = DispatchGroup()
    DispatchQueue.global().async(group: group) { collected.output = output.fileHandleForReading.readDataToEndOfFile() }
    DispatchQueue.global().async(group: group) { collected.errors = errors.fileHandleForReading.readDataToEndOfFile() }
    if let input {
      DispatchQueue.global().async(group: group) {
        standardInput.fileHandleForWriting.write(Data(input.utf8))
        standardInput.fileHandleForWriting.closeFile()
      }
    } else {
      standardInput.fileHandleForWriting.closeFile()
    }
    if let interruptAfter {
      Thread.sleep(forTimeInterval: interruptAfter)
      if process.isRunning { kill(process.processIdentifier, signal) }
    }
    if let path {
      let end = Date().addingTimeInterval(120)
      while process.isRunning, Date() < end, !FileManager.default.fileExists(atPath: path) { Thread.sleep(forTimeInterval: 0.01) }
      kill(process.processIdentifier, signal)
    }
    process.waitUntilExit()
    group.wait()
    return Outcome(
      status: process.terminationStatus, output: String(decoding: collected.output, as: UTF8.self),
      errors: String(decoding: collected.errors, as: UTF8.self))
  }

  /// A file with a program, removed by the test.
  static func file(_ text: String, name: String = "program.zs") throws -> String {
    let folder = NSTemporaryDirectory() + "zs-test-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let path = folder + "/" + name
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    return path
  }
}

/// What the reading threads gather; each writes its own half before the group is left.
private final class Collected: @unchecked Sendable {
  var output = Data()
  var errors = Data()
}
