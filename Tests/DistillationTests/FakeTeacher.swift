// A teacher that follows a script, and counts what it was asked.

import Distillation

final class FakeTeacher: Teacher {
  let name: String
  private(set) var asked: [TeacherRequest] = []
  private let script: (TeacherRequest, Int) throws -> String
  var finishReason = "stop"
  /// Stops, as a kill would, after so many replies.
  var dies: Int?

  struct Killed: Error {}

  init(_ name: String = "fake", _ script: @escaping (TeacherRequest, Int) throws -> String) {
    self.name = name
    self.script = script
  }

  func reply(
    to requests: [TeacherRequest], shouldStop: () -> Bool,
    onReply: (_ index: Int, _ reply: Result<TeacherReply, TeacherError>) throws -> Void
  ) throws -> Bool {
    for (index, request) in requests.enumerated() {
      if shouldStop() { return false }
      if let dies, asked.count >= dies { throw Killed() }
      asked.append(request)
      do {
        let text = try script(request, asked.count - 1)
        try onReply(index, .success(TeacherReply(choices: [.init(text: text, finishReason: finishReason)])))
      } catch let error as TeacherError {
        try onReply(index, .failure(error))
      }
    }
    return true
  }
}

extension TeacherRequest {
  /// All that the teacher reads.
  var text: String {
    switch prompt {
    case .text(let text): text
    case .messages(let messages): messages.map(\.content).joined(separator: "\n")
    }
  }
}
