// The requests of one call, spread over threads. The caller's thread hands out nothing and waits: it passes on replies, text and
// notices as they come, asks whether to stop, and ends the threads before it returns or throws.

import Formats
import Foundation
import Network

#if canImport(FoundationEssentials)
  import FoundationEssentials
#endif

/// One call's requests under way.
final class EndpointRun: @unchecked Sendable {
  private enum Event {
    case reply(Int, TeacherReply)
    case failure(Int, NetworkError)
    case text(String)
    case retry(RetryNotice)
    case fatal(any Error)
    case threadEnded
  }

  private let teacher: EndpointTeacher
  private let endpoint: EndpointCall
  private let cache: EndpointCache?
  private let condition = NSCondition()
  private var jobs: ArraySlice<EndpointJob>
  private var events: [Event] = []
  private var isStopped = false
  private let threadCount: Int
  private let total: Int

  init(_ teacher: EndpointTeacher, _ state: EndpointState, _ jobs: [EndpointJob], _ cache: EndpointCache?) {
    self.teacher = teacher
    self.jobs = jobs[...]
    total = jobs.count
    self.cache = cache
    threadCount = min(teacher.options.concurrency, jobs.count)
    endpoint = EndpointCall(
      url: teacher.url, model: teacher.model, options: teacher.options, client: teacher.client, state: state,
      isStreamed: teacher.options.isStreamed || teacher.onText != nil)
  }

  func run(
    shouldStop: () -> Bool, onReply: (_ index: Int, _ reply: Result<TeacherReply, TeacherError>) throws -> Void
  ) throws -> Bool {
    for _ in 0..<threadCount {
      let thread = Thread { [self] in work() }
      thread.stackSize = 8 << 20
      thread.start()
    }
    var ended = 0
    var answered = 0
    var troubles = 0
    var failure: (any Error)?
    while ended < threadCount {
      if !isOver, shouldStop() { stop() }
      for event in nextEvents() {
        do {
          switch event {
          case .threadEnded: ended += 1
          case _ where failure != nil: break
          case .text(let text): teacher.onText?(text)
          case .retry(let notice): teacher.onRetry?(notice)
          case .fatal(let error): throw error
          case .reply(let index, let reply):
            (answered, troubles) = (answered + 1, 0)
            try onReply(index, .success(reply))
          case .failure(let index, let error):
            (answered, troubles) = (answered + 1, error.status == 400 ? 0 : troubles + 1)
            // A server that fails one request after the other will fail the rest too.
            if troubles >= 3 { throw endpoint.teacherError(error) }
            try onReply(index, .failure(endpoint.teacherError(error)))
          }
        } catch {
          failure = error
          stop()
        }
      }
    }
    if let failure { throw failure }
    return answered == total
  }

  private var isOver: Bool { condition.withLock { isStopped } }

  private func stop() { condition.withLock { isStopped = true } }

  /// What happened since the last time; waits a twentieth of a second for something to happen.
  private func nextEvents() -> [Event] {
    condition.lock()
    defer { condition.unlock() }
    if events.isEmpty { _ = condition.wait(until: Date(timeIntervalSinceNow: 0.05)) }
    defer { events.removeAll(keepingCapacity: true) }
    return events
  }

  private func post(_ event: Event) {
    condition.lock()
    events.append(event)
    condition.signal()
    condition.unlock()
  }

  private func work() {
    defer { post(.threadEnded) }
    while let job = condition.withLock({ isStopped ? nil : jobs.popFirst() }) {
      do {
        let reply = try endpoint.reply(
          job.request, onText: { [self] in post(.text($0)) }, onRetry: { [self] in post(.retry($0)) }, isCancelled: { [self] in isOver })
        try cache?.keep(reply, job.cacheName, url: teacher.url, model: teacher.model, request: job.body)
        post(.reply(job.index, reply))
      } catch is NetworkCancelled {
        return
      } catch let error as NetworkError where !endpoint.isFatal(error) {
        post(.failure(job.index, error))
      } catch let error as NetworkError {
        return post(.fatal(endpoint.teacherError(error)))
      } catch {
        return post(.fatal(error))
      }
    }
  }
}
