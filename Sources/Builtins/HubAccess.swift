// The Hub in a call: progress, notes and interruption passed on, addresses turned into paths.

import Formats
import Hub
import Language
import Training

extension Session {
  /// Where the Hub is and where its files go.
  var hubSettings: HubSettings { HubSettings(environment: environment) }

  /// Models of the Hub.
  var hubModels: HubModels { HubModels(settings: hubSettings, client: httpClient) }
}

extension Call {
  /// The folder or file of an `hf://` address, fetched where it is not there.
  func hubPath(_ address: String, argument: String, needsWeights: Bool = true) throws -> String {
    let session = try Session.of(self)
    let source = try hubSource(address, argument)
    guard source.kind == .model else {
      throw ZsError(
        message: "\(address) is a data set, not a model", hint: "preferences(\"\(address)\") or conversations(\"\(address)\")",
        argument: argument)
    }
    defer { session.progress.finish() }
    let context = context
    do {
      return try session.hubModels.locate(
        source, needsWeights: needsWeights,
        progress: { state in
          session.progress.update(
            Progress("\(state.stage.rawValue) \(source.repository)", done: Double(state.done), total: Double(state.total), unit: "bytes"))
        }, note: session.warn, isCancelled: { context.isInterrupted })
    } catch is TransferCancelled {
      throw Interrupted()
    }
  }

  /// The rows of a data set of the Hub, of the kind that is wanted.
  func hubDataset(_ address: String, _ kind: DatasetKind, argument: String) throws -> Dataset {
    let session = try Session.of(self)
    let source = try hubSource(address, argument)
    let limit = builtin.parameters.contains { $0.name == "rows" } ? try optionalInt("rows") : nil
    let split = builtin.parameters.contains { $0.name == "split" } ? try optionalString("split") : nil
    let config = builtin.parameters.contains { $0.name == "config" } ? try optionalString("config") : nil
    let rows = HubRows(settings: session.hubSettings, client: session.httpClient, folder: session.home + "/datasets")
    let context = context
    let path: String
    do {
      defer { session.progress.finish() }
      path = try rows.locate(
        source, config: config, split: split, limit: limit,
        progress: { done, total in
          session.progress.update(Progress("downloading \(source.repository)", done: Double(done), total: Double(total), unit: "rows"))
        }, note: session.warn, isCancelled: { context.isInterrupted })
    } catch is TransferCancelled {
      throw Interrupted()
    }
    let lines = try JSONLines(path: path)
    let name = [source.repository, split].compactMap(\.self).joined(separator: " · ")
    return try Dataset(
      kind, rows: (limit.map { Array(lines.rows.prefix($0)) } ?? lines.rows).map(\.value),
      skipped: lines.problems.map { SkippedRow(line: $0.line, reason: $0.reason) }, name: name)
  }

  private func hubSource(_ address: String, _ argument: String) throws -> HubSource {
    do {
      return try HubSource(address)
    } catch let error as HubError {
      throw ZsError(kind: "file", message: error.message, hint: error.hint, argument: argument)
    }
  }
}
