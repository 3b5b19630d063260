// Logs read back: JSON lines, CSV, and TensorBoard's records by a reader of the test's own. scripts/reference/tensorboard_read.py
// reads the same files with tensorboard itself.

import Formats
import Foundation
import Training
import XCTest

final class RunLogTests: XCTestCase {
  func testChecksumsEqualPublishedOnes() {
    // RFC 3720, B.4, and the check value of CRC-32C.
    XCTAssertEqual(TensorBoardRecord.crc32c(Array("123456789".utf8)), 0xE306_9283)
    XCTAssertEqual(TensorBoardRecord.crc32c([UInt8](repeating: 0, count: 32)), 0x8A91_36AA)
    XCTAssertEqual(TensorBoardRecord.crc32c([UInt8](repeating: 0xFF, count: 32)), 0x62A8_AB43)
    XCTAssertEqual(TensorBoardRecord.masked([UInt8](repeating: 0, count: 32)), ((0x8A91_36AA >> 15) | (0x8A91_36AA << 17)) &+ 0xA282_EAD8)
  }

  func testLogsSayWhatWasRecorded() throws {
    let folder = try temporaryFolder(self)
    do {
      let log = try RunLog(folder: folder, columns: ["step", "loss", "eval_loss"], time: 1_700_000_000)
      try log.record(["step": 1, "loss": 0.1, "num_tokens": 34], time: 1_700_000_000.25)
      try log.record(["step": 2, "loss": 1e-9, "num_tokens": 68, "eval_loss": 0.5], time: 1_700_000_001)
      try log.note(["event": "back", "step": 1], time: 1_700_000_002)
    }
    // A killed process may leave half a line.
    let file = try XCTUnwrap(FileHandle(forWritingAtPath: "\(folder)/metrics.jsonl"))
    file.seekToEndOfFile()
    file.write(Data("{\"time\":17".utf8))
    file.closeFile()
    let again = try RunLog(folder: folder, columns: ["step", "other"], time: 1_700_000_000)
    try again.record(["step": 2, "loss": 0.25], time: 1_700_000_003)

    let lines = try JSONLines(path: "\(folder)/metrics.jsonl")
    XCTAssertEqual(lines.problems.map(\.line), [4])
    XCTAssertEqual(lines.rows.compactMap { $0.value["loss"]?.double }, [0.1, 1e-9, 0.25])
    XCTAssertEqual(lines.rows[0].value["num_tokens"], .int(34))
    XCTAssertEqual(lines.rows[2].value["event"], "back")
    XCTAssertEqual(
      try String(contentsOfFile: "\(folder)/metrics.csv", encoding: .utf8),
      "time,step,loss,eval_loss\n1700000000.25,1,0.1,\n1700000001.0,2,1e-09,0.5\n1700000003.0,2,0.25,\n")

    let files = AtomicFolder.names(in: folder).filter { $0.hasPrefix("events.out.tfevents.1700000000.") }
    XCTAssertEqual(files.count, 2)
    let events = try records("\(folder)/\(files[0])").map { Event($0) }
    XCTAssertEqual(events.map(\.version), ["brain.Event:2", nil, nil])
    XCTAssertEqual(events.map(\.step), [0, 1, 2])
    XCTAssertEqual(events[1].time, 1_700_000_000.25)
    XCTAssertEqual(events[1].scalars, ["train/loss": 0.1, "train/num_tokens": 34])
    XCTAssertEqual(events[2].scalars, ["train/loss": 1e-9, "train/num_tokens": 68, "eval/loss": 0.5])
  }

  func testFieldsWithCommasAndQuotesAreQuoted() {
    XCTAssertEqual(csvField("plain"), "plain")
    XCTAssertEqual(csvField("a,b"), "\"a,b\"")
    XCTAssertEqual(csvField("say \"aye\"\n"), "\"say \"\"aye\"\"\n\"")
  }

  /// The records of a TFRecord file, every checksum checked.
  private func records(_ path: String) throws -> [[UInt8]] {
    let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
    var found: [[UInt8]] = []
    var at = 0
    func number(_ count: Int) -> UInt64 {
      defer { at += count }
      return (0..<count).reduce(0) { $0 | UInt64(bytes[at + $1]) << (8 * UInt64($1)) }
    }
    while at < bytes.count {
      let head = Array(bytes[at..<at + 8])
      let length = Int(number(8))
      XCTAssertEqual(UInt32(number(4)), TensorBoardRecord.masked(head))
      let data = Array(bytes[at..<at + length])
      at += length
      XCTAssertEqual(UInt32(number(4)), TensorBoardRecord.masked(data))
      found.append(data)
    }
    return found
  }
}

/// tensorflow.Event with the fields that scalars use.
private struct Event {
  var time = 0.0
  var step = 0
  var version: String?
  var scalars: [String: Float] = [:]

  init(_ bytes: [UInt8]) {
    for (field, value) in Event.fields(bytes) {
      switch (field, value) {
      case (1, .fixed(let bits)): time = Double(bitPattern: bits)
      case (2, .varint(let number)): step = Int(number)
      case (3, .bytes(let text)): version = String(decoding: text, as: UTF8.self)
      case (5, .bytes(let summary)):
        for case (1, .bytes(let entry)) in Event.fields(summary) {
          var (tag, number) = ("", Float.nan)
          for (field, value) in Event.fields(entry) {
            if field == 1, case .bytes(let text) = value { tag = String(decoding: text, as: UTF8.self) }
            if field == 2, case .fixed(let bits) = value { number = Float(bitPattern: UInt32(bits)) }
          }
          scalars[tag] = number
        }
      default: XCTFail("field \(field) of an event")
      }
    }
  }

  enum Field {
    case varint(UInt64)
    case fixed(UInt64)
    case bytes([UInt8])
  }

  /// The fields of a message by number, wire type by wire type.
  static func fields(_ bytes: [UInt8]) -> [(Int, Field)] {
    var found: [(Int, Field)] = []
    var at = 0
    func varint() -> UInt64 {
      var (result, shift) = (UInt64(0), UInt64(0))
      while true {
        defer { at += 1 }
        result |= UInt64(bytes[at] & 0x7F) << shift
        shift += 7
        if bytes[at] < 0x80 { return result }
      }
    }
    func fixed(_ count: Int) -> UInt64 {
      defer { at += count }
      return (0..<count).reduce(0) { $0 | UInt64(bytes[at + $1]) << (8 * UInt64($1)) }
    }
    while at < bytes.count {
      let key = varint()
      switch key & 7 {
      case 0: found.append((Int(key >> 3), .varint(varint())))
      case 1: found.append((Int(key >> 3), .fixed(fixed(8))))
      case 5: found.append((Int(key >> 3), .fixed(fixed(4))))
      default:
        let count = Int(varint())
        found.append((Int(key >> 3), .bytes(Array(bytes[at..<at + count]))))
        at += count
      }
    }
    return found
  }
}
