// Imported files and tests.

/// An imported file as a value: its names are its fields.
final class ModuleValue: ObjectValue {
  let module: Module

  init(_ module: Module) { self.module = module }

  var typeName: String { "module" }
  var fieldNames: [String] { module.definedNames }

  func field(_ name: String) throws -> Value? { module.value(name) }

  func plain() throws -> Value {
    .map(ValueMap(uniqueKeysWithValues: try fieldNames.compactMap { name in try module.value(name).map { (name, try $0.plain()) } }))
  }

  func display(_ options: DisplayOptions) -> String {
    let names = fieldNames
    return "module \(module.name)" + (names.isEmpty ? "" : " · " + names.prefix(20).joined(separator: " ") + (names.count > 20 ? " …" : ""))
  }
}

/// `import "file.zs" as name`: runs the file once, whoever imports it.
final class ImportNode: Node {
  let module: Module?
  let target: Target

  init(_ module: Module?, _ target: Target, _ span: Span) {
    self.module = module
    self.target = target
    super.init(span)
  }

  override func execute(_ frame: Frame) throws -> Flow {
    guard let module else { return .normal }
    if let code = module.code {
      module.code = nil
      let inner = Frame(slots: module.slots, state: frame.state)
      do {
        for statement in code {
          try frame.poll()
          _ = try statement.node.execute(inner)
        }
      } catch {
        // It did not run: the next import reads the file again, this statement runs it again.
        module.code = code
        frame.state.pointee.interpreter.forget(module)
        throw error
      }
    }
    target.set(.object(ModuleValue(module)), frame)
    return .normal
  }
}

/// `test "name" { … }`: runs only where tests are wanted.
final class TestNode: Node {
  let title: String
  let body: Node

  init(_ title: String, _ body: Node, _ span: Span) {
    self.title = title
    self.body = body
    super.init(span)
  }

  override func execute(_ frame: Frame) throws -> Flow {
    let interpreter = frame.state.pointee.interpreter
    guard let report = interpreter.onTest else { return .normal }
    do {
      _ = try body.execute(frame)
      report(TestOutcome(name: title, error: nil))
    } catch {
      guard let error = located(error, frame) as? ZsError else { throw error }
      report(TestOutcome(name: title, error: error))
    }
    return .normal
  }
}
