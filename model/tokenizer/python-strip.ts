/**
 * @file `| trim` and `.strip()` of a chat template as Python does them: JavaScript's trim takes U+FEFF for white space
 * and U+001C to U+001F and U+0085 for none.
 */
import type { Environment, Interpreter } from "@huggingface/jinja";

type Statement = Parameters<Interpreter["evaluate"]>[0];
type RuntimeValue = ReturnType<Interpreter["evaluate"]>;
type Evaluate = (statement: Statement, environment: Environment) => RuntimeValue;

/** str.isspace in Python 3. */
const space = "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]+";
const left = new RegExp(`^${space}`);
const right = new RegExp(`${space}$`);

const strips: Record<string, (text: string) => string> = {
  trim: (text) => text.replace(left, "").replace(right, ""),
  strip: (text) => text.replace(left, "").replace(right, ""),
  lstrip: (text) => text.replace(left, ""),
  rstrip: (text) => text.replace(right, ""),
};

/** The stripped text when the statement is a strip without arguments of a text, else null: not this rule's business. */
export function evaluateStrip(
  statement: Statement,
  environment: Environment,
  evaluate: Evaluate,
): RuntimeValue | null {
  const found = findStrip(statement);
  if (!found) return null;
  const operand = evaluate(found.operand, environment);
  const text: unknown = operand.value;
  if (typeof text !== "string") return null;
  const literal = { type: "StringLiteral", value: found.strip(text) };
  return evaluate(literal, environment);
}

type Found = { operand: Statement; strip: (text: string) => string };

function findStrip(statement: Statement): Found | null {
  // `text | trim`
  if (isNode(statement, "FilterExpression") && isNode(statement.filter, "Identifier")) {
    return statement.filter.value === "trim" ? found(statement.operand, "trim") : null;
  }
  // `text.strip()`
  if (!isNode(statement, "CallExpression") || !isNode(statement.callee, "MemberExpression")) return null;
  const { callee, args } = statement;
  const hasNoArguments = Array.isArray(args) && args.length === 0;
  if (!hasNoArguments || callee.computed !== false || !isNode(callee.property, "Identifier")) return null;
  return callee.property.value === "trim" ? null : found(callee.object, String(callee.property.value));
}

function found(operand: unknown, name: string): Found | null {
  const strip = Object.hasOwn(strips, name) ? strips[name] : undefined;
  return strip && isAnyNode(operand) ? { operand, strip } : null;
}

type Node = { type: string } & Record<string, unknown>;

const isAnyNode = (node: unknown): node is Node =>
  typeof node === "object" && node !== null && "type" in node;
const isNode = (node: unknown, type: string): node is Node => isAnyNode(node) && node.type === type;
