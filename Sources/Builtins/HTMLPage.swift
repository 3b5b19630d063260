// The frame of the pages that zs writes: one file, no external resource, light and dark as the reader's system has it.

/// Text as it may stand in HTML and SVG, in an element or in an attribute's quotes; what XML cannot hold becomes U+FFFD.
package func escapedMarkup(_ text: String) -> String {
  var result = String.UnicodeScalarView()
  for scalar in text.unicodeScalars {
    switch scalar {
    case "<": result.append(contentsOf: "&lt;".unicodeScalars)
    case ">": result.append(contentsOf: "&gt;".unicodeScalars)
    case "&": result.append(contentsOf: "&amp;".unicodeScalars)
    case "\"": result.append(contentsOf: "&quot;".unicodeScalars)
    case "'": result.append(contentsOf: "&#39;".unicodeScalars)
    case "\n", "\t": result.append(scalar)
    case "\0"..."\u{1F}", "\u{FFFE}", "\u{FFFF}": result.append("\u{FFFD}")
    default: result.append(scalar)
    }
  }
  return String(result)
}

/// A whole page; `body` is markup.
func htmlPage(title: String, body: String) -> String {
  """
  <!DOCTYPE html>
  <html lang="en">
  <head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
  <title>\(escapedMarkup(title))</title>
  <style>
  \(pageStyle)
  </style>
  </head>
  <body>
  <main>
  \(body)</main>
  </body>
  </html>

  """
}

private let pageStyle = """
  :root { color-scheme: light dark; --ground: #fff; --ink: #1b1d21; --soft: #646a73; --line: #dfe2e7; --panel: #f6f7f9;
    --up: 33 113 213; --down: 214 47 39; --warn: #9a5b00;
    --c0: #0063a6; --c1: #c24a00; --c2: #00805e; --c3: #a8437f; --c4: #8a6a00; --c5: #3d83b8; }
  @media (prefers-color-scheme: dark) { :root { --ground: #15171b; --ink: #e6e8ec; --soft: #9aa1ab; --line: #31353d; --panel: #1d2026;
    --up: 70 140 240; --down: 235 80 70; --warn: #e2a33c;
    --c0: #5fb0ee; --c1: #f08a4b; --c2: #3ec79c; --c3: #e08cc0; --c4: #d9b544; --c5: #8fc4ec; } }
  * { box-sizing: border-box; }
  body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
  main { max-width: 1120px; margin: 0 auto; padding: 24px 20px 64px; }
  h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 36px 0 10px; border-bottom: 1px solid var(--line); }
  h3 { font-size: 15px; margin: 22px 0 6px; } h4 { font-size: 13px; margin: 0 0 4px; } div + h4 { margin-top: 18px; }
  .note, .legend, figcaption { color: var(--soft); font-size: 13px; font-weight: normal; }
  .warn { color: var(--warn); margin: 4px 0; }
  .curves { display: grid; grid-template-columns: repeat(auto-fit, minmax(330px, 1fr)); gap: 16px; }
  figure { margin: 0; background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: 8px 10px; }
  figure svg { display: block; width: 100%; height: auto; font: 11px system-ui, sans-serif; fill: var(--soft); }
  .plots { display: flex; flex-wrap: wrap; align-items: flex-start; gap: 16px; margin: 12px 0; } .plots figure { flex: 0 1 532px; background: #fff; }
  .plots figure svg { fill: #222; }
  @media (prefers-color-scheme: dark) { .plots figure { filter: invert(.9) hue-rotate(180deg); } }
  .role { color: var(--soft); font-weight: 600; } .role:not(:first-child) { margin-top: 6px; } .said { white-space: pre-wrap; }
  figure b.k0 { color: var(--c0); } figure b.k1 { color: var(--c1); } figure b.k2 { color: var(--c2); }
  .k0 { stroke: var(--c0); } .k1 { stroke: var(--c1); } .k2 { stroke: var(--c2); } .k3 { stroke: var(--c3); }
  .grid { stroke: var(--line); } .curve { fill: none; stroke-width: 1.6; } .point { stroke-width: 9; stroke-linecap: round; opacity: 0; }
  .point:hover { opacity: .5; } .dot { stroke-width: 4; stroke-linecap: round; }
  .scroll { overflow-x: auto; }
  table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
  th, td { padding: 3px 10px; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; vertical-align: top; }
  th { color: var(--soft); font-weight: 600; } th.words, td.words { text-align: left; }
  td.long { white-space: normal; min-width: 240px; overflow-wrap: anywhere; text-align: left; } tr.wrong td { background: rgb(var(--down) / .12); }
  details { margin: 6px 0; } summary { cursor: pointer; }
  .strip { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: 10px 14px; margin: 8px 0; }
  .sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(340px, 1fr)); gap: 18px; }
  .text { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; font: 13px/1.75 ui-monospace, 'DejaVu Sans Mono', monospace; }
  .up { background: rgb(var(--up) / var(--a)); } .down { background: rgb(var(--down) / var(--a)); } .dim { color: var(--soft); }
  .text span { border-radius: 2px; } .text span:hover { outline: 1px solid var(--ink); }
  .scale i { display: inline-block; width: 16px; height: 11px; } .legend { margin: 10px 0 0; } .prompt { white-space: pre-wrap; overflow-wrap: anywhere; }
  """
