// When a model's answer agrees with the one in the log. promptfoo calls these functions; nothing else does.

const fences = /^```(?:json)?\s*|\s*```$/g;

function textOf(output) {
  return typeof output === "string" ? output : JSON.stringify(output);
}

// The object that an answer is; none for prose, which has no field and so agrees on none.
function parsed(output) {
  if (output !== null && typeof output === "object") return output;
  try {
    return JSON.parse(textOf(output).trim().replace(fences, ""));
  } catch {
    return undefined;
  }
}

// A value as text without case and outer blanks; numbers by what they are worth, so that 2 and 2.0 agree.
function plain(value) {
  return String(value).trim().toLowerCase();
}

// Every value with the place it stands at; places in lists are all one.
function* leaves(value, path) {
  if (Array.isArray(value)) {
    for (const inner of value) yield* leaves(inner, `${path}[]`);
  } else if (value !== null && typeof value === "object") {
    for (const [name, inner] of Object.entries(value)) yield* leaves(inner, path ? `${path}.${name}` : name);
  } else if (value !== null && value !== undefined && String(value).trim() !== "") {
    yield [path, plain(value)];
  }
}

function valuesAt(found, path) {
  return new Set([...leaves(found, "")].filter(([place]) => place === path).map(([, value]) => value));
}

function sameSets(one, other) {
  return one.size === other.size && [...one].every((value) => other.has(value));
}

function told(pass, reason) {
  return { pass, score: pass ? 1 : 0, reason };
}

// One field: the same values as in the log, in any order.
function field(output, context) {
  const { path, expected } = context.config;
  const got = valuesAt(parsed(output), path);
  const pass = sameSets(got, new Set(expected.map(plain)));
  return told(pass, `${path || "answer"}: ${pass ? "as logged" : `got ${[...got].join(", ") || "nothing"}`}`);
}

// No field with a value that the logged answer has none at.
function nothingElse(output, context) {
  const known = new Set(context.config.paths);
  if (parsed(output) === undefined) return told(false, "no JSON");
  const more = [...leaves(parsed(output), "")].map(([path]) => path).filter((path) => !known.has(path));
  return told(more.length === 0, more.length ? `not in the log: ${more.join(", ")}` : "no further field");
}

function number(output, context) {
  const { expected, tolerance } = context.config;
  const found = textOf(output).replace(/[,\s$€£%]/g, "");
  const value = /^[-+]?(\d+\.?\d*|\.\d+)\.?$/.test(found) ? Number(found) : NaN;
  const pass = Math.abs(value - expected) <= tolerance;
  return told(pass, `${value} against ${expected} ± ${tolerance}`);
}

function callsIn(output) {
  const found = parsed(output);
  if (found === null || typeof found !== "object") return [];
  const listed = Array.isArray(found) ? found : found.tool_calls || found.toolCalls || [found];
  return listed.map((call) => {
    const inner = call.function || call;
    const given = inner.arguments !== undefined ? inner.arguments : inner.input;
    return { name: inner.name, arguments: parsed(given === undefined || given === "" ? {} : given) };
  });
}

function callText(call) {
  return JSON.stringify([call.name, [...leaves(call.arguments, "")].map((pair) => pair.join("=")).sort()]);
}

// The same tools with the same arguments, in any order.
function calls(output, context) {
  const got = callsIn(output).map(callText).sort();
  const wanted = context.config.expected.map(callText).sort();
  const pass = JSON.stringify(got) === JSON.stringify(wanted);
  return told(pass, pass ? "the logged calls" : `got ${got.join("; ")}`);
}

module.exports = { field, nothingElse, number, calls };
