// Words and forms of other languages, and what zs says instead. Data: the parser and the resolver ask here.

enum Habits {
  /// Statements of other languages, by the word that begins them.
  static let statements: [String: (message: String, hint: String)] = [
    "def": ("functions are defined with fn", "write: fn name(x) { … } or fn name(x) = …"),
    "func": ("functions are defined with fn", "write: fn name(x) { … } or fn name(x) = …"),
    "function": ("functions are defined with fn", "write: fn name(x) { … } or fn name(x) = …"),
    "var": ("variables need no 'var'", "write: name = value, or let name = value for a constant"),
    "const": ("constants are made with let", "write: let name = value"),
    "local": ("variables need no 'local'", "a name that a function assigns is its own: write name = value"),
    "mut": ("variables need no 'mut'", "write: name = value"),
    "class": ("zs has no classes", "maps hold fields: {name: \"a\", size: 2}; functions take them as first argument"),
    "struct": ("zs has no structs", "maps hold fields: {name: \"a\", size: 2}; functions take them as first argument"),
    "raise": ("zs writes 'fail'", "write: fail \"what went wrong\""),
    "throw": ("zs writes 'fail'", "write: fail \"what went wrong\""),
    "del": ("zs has no 'del'", "assign another value, or build the list or map without the element"),
    "global": ("zs has no 'global'", "a function never changes a variable outside it: return the new value and assign it"),
    "nonlocal": ("zs has no 'nonlocal'", "a function never changes a variable outside it: return the new value and assign it"),
    "elif": ("zs writes 'else if'", "write: } else if condition {"),
    "except": ("zs writes 'catch'", "write: try { … } catch e { … }"),
    "unless": ("zs has no 'unless'", "write: if not condition { … }"),
    "until": ("zs has no 'until'", "write: while not condition { … }"),
    "foreach": ("zs writes 'for'", "write: for x in xs { … }"),
    "switch": ("zs has no 'switch'", "write: if x == 1 { … } else if x == 2 { … } else { … }"),
    "match": ("zs has no 'match'", "write: if x == 1 { … } else if x == 2 { … } else { … }"),
    "from": ("a file is imported by its name", "write: import \"file.zs\" as name"),
    "import": ("import needs a file as a string", "write: import \"file.zs\" as name; builtins need no import"),
    "using": ("import needs a file as a string", "write: import \"file.zs\" as name; builtins need no import"),
    "yield": ("zs has no generators", "build a list: [f(x) for x in xs]"),
    "await": ("zs has no 'await'", "calls return when they are done"),
    "async": ("zs has no 'async'", "calls return when they are done"),
    "with": ("zs has no 'with'", "read(path) and write(path, text) open and close the file"),
    "loop": ("zs has no 'loop'", "write: while true { … }"),
    "do": ("zs has no 'do'", "write: while true { … }"),
    "repeat": ("zs has no 'repeat'", "write: while true { … }"),
  ]

  /// Names that mean something elsewhere.
  static let names: [String: String] = [
    "None": "none", "True": "true", "False": "false", "nil": "none", "null": "none", "NULL": "none", "undefined": "none", "nothing": "none",
    "NaN": "float(\"nan\")", "nan": "float(\"nan\")", "inf": "float(\"inf\")", "Inf": "float(\"inf\")", "infinity": "float(\"inf\")",
    "length": "len", "size": "len", "count": "len", "println": "print", "printf": "print", "puts": "print", "echo": "print",
    "display": "print",
    "string": "str", "String": "str", "to_string": "str", "toString": "str", "repr": "str", "integer": "int", "double": "float",
    "Int": "int", "Float": "float", "Double": "float", "boolean": "bool", "Bool": "bool", "typeof": "type", "isinstance": "type",
    "fold": "reduce", "foldl": "reduce", "maximum": "max", "minimum": "min", "average": "mean", "avg": "mean", "abs_": "abs",
    "uppercase": "upper", "lowercase": "lower", "toUpperCase": "upper", "toLowerCase": "lower", "trim": "strip",
    "startswith": "starts_with",
    "endswith": "ends_with", "hasPrefix": "starts_with", "hasSuffix": "ends_with", "sorted": "sort", "reversed": "reverse",
    "includes": "contains",
    "json_decode": "from_json", "json_encode": "to_json", "tensor_": "tensor", "array": "tensor", "Tensor": "tensor", "loadModel": "load",
    "randint": "rand", "log10": "log", "cat": "concat", "concatenate": "concat", "getenv": "env", "encode": "tokenize",
    "decode": "detokenize", "std_dev": "std", "listdir": "list_files", "glob": "list_files", "open": "read", "log_prob": "logprobs",
  ]

  /// What other languages do by a function or method and zs by an operator or a statement.
  static let operations: [String: String] = [
    "append": "xs += [x] appends to a list", "push": "xs += [x] appends to a list", "extend": "xs += ys joins two lists",
    "pow": "x ** y is the power", "mod": "x % y is the remainder", "div": "x // y divides to a whole number", "xor": "a != b, for bools",
    "raise": "fail \"what went wrong\" raises an error", "throw": "fail \"what went wrong\" raises an error",
    "exit": "the program ends where its text ends; fail \"why\" ends it with an error", "quit": "Ctrl-D or :quit leaves",
    "lambda": "x => x + 1 is a function without a name", "this": "a method is a function of its first argument",
    "self": "a method is a function of its first argument", "list": "[x for x in xs] makes a list", "dict": "{a: 1, b: 2} makes a map",
    "set": "lists and the keys of maps take the place of sets", "tuple": "[a, b] holds several values", "has": "key in map asks for a key",
    "delete": "assign another value, or build the list or map without the element", "remove": "[x for x in xs if x != y] leaves y out",
    "pop": "xs[:-1] is the list without its last element, xs[-1] that element", "insert": "xs[:i] + [x] + xs[i:] inserts",
    "index_of": "[i for i, x in enumerate(xs) if x == y] finds where y stands", "items": "for key, value in map walks pairs",
    "input": "args holds the program's arguments", "eval": "run \"file.zs\" runs a file into the session",
    "isnan": "x != x is true for nan only", "is_nan": "x != x is true for nan only", "is_none": "x == none", "isNone": "x == none",
  ]

  /// Options as other libraries call them; used where a builtin has the zs name.
  static let options: [String: String] = [
    "dim": "axis", "keepdim": "keepdims", "lr": "learning_rate", "num_train_epochs": "epochs", "num_epochs": "epochs", "n_epochs": "epochs",
    "per_device_train_batch_size": "batch_size", "train_batch_size": "batch_size", "bs": "batch_size",
    "gradient_accumulation_steps": "gradient_accumulation", "lr_scheduler_type": "schedule", "lr_scheduler": "schedule",
    "max_new_tokens": "max_tokens", "max_seq_length": "max_length", "max_seq_len": "max_length", "num_return_sequences": "n",
    "stop_sequences": "stop", "adam_epsilon_": "adam_epsilon", "eps": "epsilon", "optim": "optimizer", "clip_grad_norm": "max_grad_norm",
    "grad_clip": "max_grad_norm", "gradient_clip": "max_grad_norm", "random_state": "seed", "random_seed": "seed",
    "rng_seed": "seed", "lora_r": "rank", "r": "rank", "lora_rank": "rank", "lora_alpha": "alpha", "lora_dropout": "dropout",
    "target_modules": "targets", "loss_type": "loss", "ref_model": "reference", "system_prompt": "system", "temp": "temperature",
    "repeat_penalty": "repetition_penalty", "add_generation_prompt": "generation_prompt", "chat_template": "template",
    "skip_special_tokens": "skip_special", "add_special_tokens": "bos", "completion_only_loss": "assistant_only",
    "assistant_only_loss": "assistant_only", "neftune_noise_alpha": "neftune_alpha", "logging_steps": "log_every",
    "eval_steps": "eval_every",
    "eval_dataset": "eval_data", "train_dataset": "data", "k": "top",
  ]
}

extension Parser {
  /// Statements that begin like another language's.
  mutating func rejectForeignStatement() throws {
    let start = token
    let next = token(ahead: 1)
    switch start.kind {
    case .name(let word):
      guard let habit = Habits.statements[word], !next.newlineBefore else { return }
      let isForeign =
        switch next.kind {
        case .name, .string, .integer, .float: true
        case .keyword(let keyword): [.true, .false, .none, .not, .if].contains(keyword)
        case .symbol(let symbol):
          symbol == .leftBrace || (symbol == .leftParenthesis && next.spaceBefore)
            || (symbol == .colon && ["except", "do", "loop", "repeat"].contains(word))
        default: false
        }
      if isForeign { throw failure(habit.message, at: start.span, hint: habit.hint) }
    case .symbol(.doubleSlash):
      throw failure("comments begin with #", at: start.span, hint: "write # for //; // divides to a whole number")
    case .symbol(.plus), .symbol(.minus):
      guard case .symbol(let sign) = start.kind, next.isSymbol(sign), !next.spaceBefore else { return }
      throw failure("zs has no \(sign.rawValue)\(sign.rawValue)", at: start.span.union(next.span), hint: "write x \(sign.rawValue)= 1")
    case .keyword(.else):
      throw failure("this else has no if before it", at: start.span, hint: "else stands after the } of an if, or on the line after it")
    case .keyword(.catch): throw failure("this catch has no try before it", at: start.span)
    default: return
    }
  }

  /// Names that begin another language's expression.
  mutating func rejectForeignName(_ text: String) throws {
    let span = token.span
    let next = token(ahead: 1)
    if next.newlineBefore { return }
    if next.isString, !next.spaceBefore, ["f", "F", "b", "u", "rb", "fr", "rf", "R"].contains(text) {
      throw failure(
        "strings have no prefix '\(text)' in zs", at: span, hint: "every string interpolates: \"loss \\(loss, \".4f\")\"; r\"…\" is raw")
    }
    if text == "lambda", case .name(let parameter) = next.kind {
      throw failure("zs has no 'lambda'", at: span, hint: "write: \(parameter) => …")
    }
    if text == "new", case .name = next.kind {
      throw failure("zs has no 'new'", at: span, hint: "call the function: tensor([1, 2])")
    }
  }

  /// The error for a token that begins no expression.
  mutating func unexpectedStart() -> SyntaxFailure {
    switch token.kind {
    case .end, .marker: return failure("an expression is missing here")
    case .keyword(.fn):
      return failure(
        "fn defines a function as a statement", at: token.span, hint: "a function without a name is written x => … or (a, b) => …")
    case .keyword(let keyword):
      return failure("expected an expression, found the word '\(keyword.rawValue)'", at: token.span)
    case .symbol(.doubleStar), .symbol(.star):
      return failure(
        "expected an expression, found \(token.described)", at: token.span, hint: "zs does not spread arguments; pass the list itself")
    case .symbol(.dot):
      if case .integer = token(ahead: 1).kind { return failure("a number begins with a digit", at: token.span, hint: "write 0.5 for .5") }
      return failure("expected an expression, found '.'", at: token.span)
    case .symbol(.pipe): return failure("expected an expression, found '|>'", at: token.span, hint: "a value stands before the pipe")
    default: return failure("expected an expression, found \(token.described)", at: token.span)
    }
  }

  /// What stands from here to the end of the statement, shortened.
  private var restOfLine: String {
    var index = position
    var end = token.span
    while index < tokens.count, index == position || !tokens[index].newlineBefore, !tokens[index].isEnd {
      if tokens[index].isSymbol(.semicolon) || tokens[index].isSymbol(.rightBrace) { break }
      end = tokens[index].span
      index += 1
    }
    return TextWidth.cut(source.text(of: token.span.union(end)), to: 50)
  }

  /// The error for what follows a finished statement on the same line.
  mutating func unexpectedAfter(_ statement: Statement) -> SyntaxFailure {
    let span = token.span
    if case .expression(let value) = statement.kind {
      let callee = source.text(of: value.span)
      switch value.kind {
      case .name, .field:
        if Parser.startsExpression(token), !at(.leftBrace) {
          return failure("calls take parentheses", at: value.span.union(span), hint: "write \(callee)(\(restOfLine))")
        }
        if at(.leftBrace) {
          return failure("'\(callee)' takes no block", at: span, hint: "a function is defined with fn, a map assigned with =")
        }
      default: break
      }
    }
    switch token.kind {
    case .symbol(.assign):
      if let dangling = danglingOperator {
        return failure(
          "the line above ends in \(dangling.described), so this line goes on with it", at: dangling.span,
          hint: "give it a right side, or take it away")
      }
      if case .assign = statement.kind {
        return failure("a statement assigns once", at: span, hint: "write each assignment on a line of its own")
      }
      return failure("= cannot stand here", at: span, hint: "== compares; = assigns to a name, a field or an index")
    case .symbol(.colon): return failure("':' cannot stand here", at: span, hint: "blocks stand in braces: if x > 1 { … }")
    case .symbol(.rightParenthesis), .symbol(.rightBracket): return failure("this \(token.described) closes nothing", at: span)
    case .symbol(.arrow):
      return failure("what stands before => must be a name, or names in parentheses", at: span, hint: "as in x => x + 1, (a, b) => a + b")
    case .symbol(.comma):
      return failure("',' cannot stand here", at: span, hint: "several values stand in a list: [a, b]")
    case .name("elif"): return failure("zs writes 'else if'", at: span, hint: "write 'else if' for elif")
    case .keyword(.if):
      return failure("zs has no 'a if b else c'", at: span, hint: "write: if b { a } else { c }")
    case .keyword(.for):
      return failure("'for' cannot stand here", at: span, hint: "a list of results stands in brackets: [f(x) for x in xs]")
    case .symbol(.question): return failure("zs has no ? :", at: span, hint: "write: if condition { a } else { b }")
    case .symbol(.bang): return failure("zs has no '!'", at: span, hint: "not x negates; != compares")
    default:
      return failure(
        "expected the end of the statement, found \(token.described)", at: span,
        hint: "statements stand on lines of their own, or between ;")
    }
  }

  /// The operator that ends the line above, where the token before this one is the name that begins this line.
  private var danglingOperator: Token? {
    guard position >= 2, tokens[position - 1].newlineBefore, case .name = tokens[position - 1].kind else { return nil }
    guard case .symbol(let symbol) = tokens[position - 2].kind, ![.rightParenthesis, .rightBracket, .rightBrace].contains(symbol) else {
      return nil
    }
    return tokens[position - 2]
  }
}
