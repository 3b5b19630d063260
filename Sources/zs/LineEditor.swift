// Cells typed at a terminal, edited by libedit: many lines in one buffer, Enter submits what the parser finds complete,
// a paste is inserted and never run, arrow keys move within a cell and through whole cells of history.
// libedit calls back through plain C functions that carry no state, so the one editor of the process is kept in a global.
import Builtins
import CLibedit
import Glibc
import Language
import Notebooks

/// What the editor asks of the session.
struct EditorHooks {
  /// Whether Enter should submit this text, or open a line and with what indent.
  var completeness: (String) -> Completeness
  /// What may stand at the cursor: how many characters before it are replaced, and by what.
  var complete: (_ text: String, _ cursor: Int) -> CompletionList
  /// The text of a paste as it should be inserted.
  var pasted: (String) -> String
}

/// The editor that libedit's callbacks belong to; only the interpreter's thread touches it.
nonisolated(unsafe) private var active: LineEditor?

/// A line editor over libedit's wide interface.
final class LineEditor: LineSource {
  fileprivate let handle: OpaquePointer
  fileprivate let hooks: EditorHooks
  private let history: OpaquePointer
  private var event = HistEventW()
  fileprivate var prompt: UnsafeMutablePointer<wchar_t>
  fileprivate var isCancelled = false
  fileprivate var wantsEditor = false
  /// The editor that this one interrupts: its turn comes again when this one is gone.
  private let outer: LineEditor?
  private var prefilled: String?
  private let mayUseEscapes: Bool

  /// An editor with the cells of earlier sessions; nil where the terminal cannot be set up.
  init?(hooks: EditorHooks, earlier: [String], mayUseEscapes: Bool) {
    LineEditor.useUTF8()
    guard let handle = zs_open("zs"), let history = history_winit() else { return nil }
    self.handle = handle
    self.history = history
    self.hooks = hooks
    self.mayUseEscapes = mayUseEscapes
    prompt = kept("zs› ")
    outer = active
    active = self
    _ = zs_hist_int(history, &event, H_SETSIZE, 5000)
    for cell in earlier { remember(cell) }
    _ = zs_use_history(handle, history)
    _ = wide("emacs") { zs_editor(handle, $0) }
    _ = zs_prompt(handle, { _ in active?.prompt }, 1)
    // While editing, libedit handles a change of size and a stop itself, and Ctrl-C and Ctrl-Z are plain keys.
    _ = zs_signal(handle, 1)
    _ = wide("-d") { mode in wide("-isig") { zs_setty(handle, mode, $0) } }
    bindKeys()
  }

  deinit {
    el_end(handle)
    history_wend(history)
    prompt.deallocate()
  }

  /// libedit decodes what is typed by the locale, which containers often leave unset.
  static func useUTF8() {
    setlocale(LC_CTYPE, "")
    if String(cString: nl_langinfo(nl_item(CODESET))) != "UTF-8" { setlocale(LC_CTYPE, "C.UTF-8") }
  }

  /// Gives libedit's callbacks back to the editor that this one interrupted; without it the global would keep this one for ever.
  func retire() {
    if active === self { active = outer }
  }

  func next(_ text: String) -> LineEvent {
    prompt.deallocate()
    prompt = kept(text)
    if let prefilled { wide(prefilled) { el_wpush(handle, $0) } }
    prefilled = nil
    while true {
      if mayUseEscapes { Terminal.write("\u{1B}[?2004h") }
      isCancelled = false
      var count: Int32 = 0
      errno = 0
      let line = el_wgets(handle, &count)
      let code = errno
      if mayUseEscapes { Terminal.write("\u{1B}[?2004l") }
      guard let line else {
        if Interrupt.isTermination { return .end }
        // A signal that is none of ours ends the read without a line.
        if count < 0 && code == EINTR { continue }
        return .end
      }
      if isCancelled { return .cancelled }
      let wantsEditor = self.wantsEditor
      self.wantsEditor = false
      var entry = string(line, Int(count))
      if entry.hasSuffix("\n") { entry.removeLast() }
      return wantsEditor ? .edit(entry) : .cell(entry)
    }
  }

  func remember(_ cell: String) { _ = wide(cell) { zs_hist_add(history, &event, $0) } }

  func prefill(_ text: String) { prefilled = text }

  /// The text being edited and the cursor in it, counted in scalars.
  fileprivate func buffer() -> (text: String, cursor: Int, count: Int) {
    guard let line = el_wline(handle)?.pointee, let start = line.buffer else { return ("", 0, 0) }
    return (string(start, line.lastchar - start), line.cursor - start, line.lastchar - start)
  }

  fileprivate func insert(_ text: String) { _ = wide(text) { el_winsertstr(handle, $0) } }

  /// Makes libedit read keys as if they were typed.
  fileprivate func push(_ keys: String) { wide(keys) { el_wpush(handle, $0) } }

  fileprivate func bind(_ keys: String, to name: String) {
    _ = wide(keys) { key in wide(name) { zs_bind(handle, key, $0) } }
  }

  fileprivate func define(_ name: String, _ keys: [String], _ function: @escaping @convention(c) (OpaquePointer?, Int32) -> UInt8) {
    // libedit keeps the pointer to the name for as long as it lives.
    let keptName = kept(name)
    _ = zs_addfn(handle, keptName, function)
    for key in keys { _ = wide(key) { zs_bind(handle, $0, keptName) } }
  }
}

/// What the parser's indents are made of.
private let indentStep = 4

// Keys that no terminal sends, by which our functions reach libedit's own.
private let submitKey = "\u{1B}[99~"
private let upKey = "\u{1B}[98~"
private let downKey = "\u{1B}[97~"

extension LineEditor {
  private func bindKeys() {
    bind("^[[99~", to: "ed-newline")
    bind("^[[98~", to: "ed-prev-line")
    bind("^[[97~", to: "ed-next-line")
    bind("^P", to: "ed-prev-history")
    bind("^N", to: "ed-next-history")
    bind("^R", to: "em-inc-search-prev")
    bind("^S", to: "em-inc-search-next")
    for key in ["^[[1;5D", "^[[1;3D", "^[^[[D"] { bind(key, to: "ed-prev-word") }
    for key in ["^[[1;5C", "^[[1;3C", "^[^[[C"] { bind(key, to: "em-next-word") }
    bind("^[[3~", to: "ed-delete-next-char")
    define("zs-enter", ["^M", "^J"]) { _, _ in active?.enter() ?? UInt8(CC_NEWLINE) }
    define("zs-newline", ["^[^M", "^[^J"]) { _, _ in active?.newline() ?? UInt8(CC_NORM) }
    define("zs-cancel", ["^C"]) { _, _ in active?.cancel() ?? UInt8(CC_NORM) }
    define("zs-suspend", ["^Z"]) { _, _ in
      kill(0, SIGTSTP)
      return UInt8(CC_REDISPLAY)
    }
    define("zs-complete", ["^I"]) { _, _ in active?.tab() ?? UInt8(CC_NORM) }
    define("zs-edit", ["^X^E"]) { _, _ in active?.submitToEditor() ?? UInt8(CC_NORM) }
    define("zs-paste", ["^[[200~"]) { _, _ in active?.paste() ?? UInt8(CC_NORM) }
    for (key, name) in [("}", "zs-brace"), ("]", "zs-bracket"), (")", "zs-parenthesis")] {
      define(name, [key]) { _, key in active?.closing(UInt32(bitPattern: key)) ?? UInt8(CC_NORM) }
    }
    define("zs-up", ["^[[A", "^[OA"]) { _, _ in active?.vertical(isUp: true) ?? UInt8(CC_NORM) }
    define("zs-home", ["^[[H", "^[OH", "^[[1~", "^A"]) { _, _ in active?.horizontal(toEnd: false) ?? UInt8(CC_NORM) }
    define("zs-end", ["^[[F", "^[OF", "^[[4~", "^E"]) { _, _ in active?.horizontal(toEnd: true) ?? UInt8(CC_NORM) }
    define("zs-down", ["^[[B", "^[OB"]) { _, _ in active?.vertical(isUp: false) ?? UInt8(CC_NORM) }
  }

  /// Submits a complete cell, else opens a new line with the indent that the brackets ask for.
  private func enter() -> UInt8 {
    let (text, cursor, count) = buffer()
    if case .incomplete(let indent) = hooks.completeness(text) { return newline(indent: cursor == count ? indent : nil) }
    // The cursor goes to the end first, so that output starts below the whole cell.
    _ = el_cursor(handle, Int32(count - cursor))
    push(submitKey)
    return UInt8(CC_REFRESH)
  }

  /// Opens a line, indented as the parser says or like the line before.
  private func newline(indent: Int? = nil) -> UInt8 {
    let (text, cursor, _) = buffer()
    let before = String(String.UnicodeScalarView(text.unicodeScalars.prefix(cursor)))
    let line = before.split(separator: "\n", omittingEmptySubsequences: false).last ?? ""
    insert("\n" + String(repeating: " ", count: indent ?? line.prefix { $0 == " " }.count))
    return UInt8(CC_REFRESH)
  }

  /// A closing bracket at the start of a line goes one step out.
  private func closing(_ key: UInt32) -> UInt8 {
    let (text, cursor, _) = buffer()
    let line = String.UnicodeScalarView(text.unicodeScalars.prefix(cursor)).reversed().prefix { $0 != "\n" }
    if line.count < cursor, line.count >= indentStep, line.allSatisfy({ $0 == " " }) { el_deletestr(handle, Int32(indentStep)) }
    insert(String(String.UnicodeScalarView([Unicode.Scalar(key) ?? " "])))
    return UInt8(CC_REFRESH)
  }

  /// Ctrl-X Ctrl-E: the entry as it is goes to the person's editor.
  private func submitToEditor() -> UInt8 {
    let (_, cursor, count) = buffer()
    wantsEditor = true
    _ = el_cursor(handle, Int32(count - cursor))
    push(submitKey)
    return UInt8(CC_REFRESH)
  }

  private func cancel() -> UInt8 {
    let (_, cursor, count) = buffer()
    _ = el_cursor(handle, Int32(count - cursor))
    isCancelled = true
    insert("^C")
    push(submitKey)
    return UInt8(CC_REFRESH)
  }

  private func vertical(isUp: Bool) -> UInt8 {
    let (text, cursor, _) = buffer()
    let scalars = text.unicodeScalars
    let middle = scalars.index(scalars.startIndex, offsetBy: min(cursor, scalars.count))
    let isAtEdge = isUp ? !scalars[..<middle].contains("\n") : !scalars[middle...].contains("\n")
    push(isAtEdge ? (isUp ? "\u{10}" : "\u{0E}") : (isUp ? upKey : downKey))
    return UInt8(CC_NORM)
  }

  /// To the beginning or end of the line of the cell that the cursor is on; libedit's own keys know the whole cell only.
  private func horizontal(toEnd: Bool) -> UInt8 {
    let (text, cursor, _) = buffer()
    let scalars = text.unicodeScalars
    let middle = scalars.index(scalars.startIndex, offsetBy: min(cursor, scalars.count))
    if toEnd {
      _ = el_cursor(handle, Int32(scalars[middle...].prefix { $0 != "\n" }.count))
    } else {
      _ = el_cursor(handle, -Int32(scalars[..<middle].reversed().prefix { $0 != "\n" }.count))
    }
    return UInt8(CC_REFRESH)
  }

  private func tab() -> UInt8 {
    let (text, cursor, _) = buffer()
    let before = String(String.UnicodeScalarView(text.unicodeScalars.prefix(cursor)))
    // At the start of a line Tab indents.
    if before.split(separator: "\n", omittingEmptySubsequences: false).last?.allSatisfy({ $0 == " " }) ?? true {
      insert("  ")
      return UInt8(CC_REFRESH)
    }
    let found = hooks.complete(text, before.count)
    guard let first = found.candidates.first else { return UInt8(CC_REFRESH_BEEP) }
    let typed = String(before.suffix(found.replaced))
    let common = found.candidates.dropFirst().reduce(first) { $0.commonPrefix(with: $1) }
    if found.candidates.count == 1 || common.count > typed.count {
      if common.hasPrefix(typed) {
        insert(String(common.dropFirst(typed.count)))
      } else {
        el_deletestr(handle, Int32(typed.unicodeScalars.count))
        insert(common)
      }
      return UInt8(CC_REFRESH)
    }
    show(found.candidates)
    return UInt8(CC_REDISPLAY)
  }

  /// Candidates in columns under the entry.
  private func show(_ candidates: [String]) {
    // The quote that ends a choice is for the entry, not for the eye.
    let shown = candidates.prefix(200).map { $0.count > 1 && $0.hasSuffix("\"") && !$0.hasPrefix("\"") ? String($0.dropLast()) : $0 }
    let width = (shown.map { TextWidth.of($0) }.max() ?? 1) + 2
    let perLine = max(1, Terminal.width() / width)
    var text = "\n"
    for (index, candidate) in shown.enumerated() {
      let isLast = index % perLine == perLine - 1 || index == shown.count - 1
      text += candidate + (isLast ? "\n" : String(repeating: " ", count: width - TextWidth.of(candidate)))
    }
    if candidates.count > shown.count { text += "… \(candidates.count - shown.count) more\n" }
    Terminal.write(text)
  }

  /// Takes everything up to the end mark into the entry; Ctrl-C within it drops the paste.
  ///
  /// What still comes of a dropped paste is read too, because its lines would run as if they had been typed; where the end mark is
  /// missing, a pause ends it.
  private func paste() -> UInt8 {
    var scalars = String.UnicodeScalarView()
    var tail: [UInt32] = []
    let end: [UInt32] = [0x1B, 0x5B, 0x32, 0x30, 0x31, 0x7E]
    var next: wchar_t = 0
    var isDropped = false
    while !isDropped || Terminal.hasInput(within: 0.2), el_wgetc(handle, &next) == 1 {
      let value = UInt32(bitPattern: next)
      if value == 3 { isDropped = true }
      scalars.append(value == 13 ? "\n" : Unicode.Scalar(value) ?? "\u{FFFD}")
      tail.append(value)
      if tail.count > end.count { tail.removeFirst() }
      if tail == end {
        scalars.removeLast(end.count)
        break
      }
    }
    if !isDropped { insert(hooks.pasted(String(scalars))) }
    return UInt8(CC_REFRESH)
  }
}

/// A wide C string that the caller owns.
private func kept(_ text: String) -> UnsafeMutablePointer<wchar_t> {
  let scalars = text.unicodeScalars.map { wchar_t(bitPattern: $0.value) } + [0]
  let pointer = UnsafeMutablePointer<wchar_t>.allocate(capacity: scalars.count)
  pointer.initialize(from: scalars, count: scalars.count)
  return pointer
}

/// A wide C string for the length of a call.
@discardableResult
private func wide<Result>(_ text: String, _ body: (UnsafePointer<wchar_t>) -> Result) -> Result {
  let pointer = kept(text)
  defer { pointer.deallocate() }
  return body(pointer)
}

private func string(_ pointer: UnsafePointer<wchar_t>, _ count: Int) -> String {
  var scalars = String.UnicodeScalarView()
  for index in 0..<max(0, count) { scalars.append(Unicode.Scalar(UInt32(bitPattern: pointer[index])) ?? "\u{FFFD}") }
  return String(scalars)
}

extension String {
  fileprivate func commonPrefix(with other: String) -> String {
    String(zip(self, other).prefix { $0 == $1 }.map(\.0))
  }
}
