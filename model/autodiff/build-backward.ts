/** @file Reverse-mode differentiation of a graph: walks its nodes backwards and knows no op. */
import type { AnyNode, Graph, Node, NodeRange, OpName, Value } from "../graph/graph";
import { Recomputation } from "./recomputation";
import { type VjpRule, vjpRules } from "./vjp-rules";

/** Something on the way from a parameter to the loss has no gradient; the message names it. */
export class NotDifferentiableError extends Error {
  override readonly name = "NotDifferentiableError";
}

/**
 * Appends the backward pass to the graph.
 * @param loss a scalar
 * @param parameters inputs of the graph, or values computed in it
 * @returns dL/dp for each parameter, in order and of its shape. Nothing is built for values that no parameter reaches,
 *   so frozen weights cost nothing.
 * @throws NotDifferentiableError when the loss does not depend on a parameter, or through an op without gradient only
 */
export function buildBackward(g: Graph, loss: Value, parameters: readonly Value[]): Value[] {
  if (loss.shape.length > 0)
    throw new NotDifferentiableError(`The loss is no scalar: [${loss.shape.join(", ")}]`);
  return pullBack(g, new Map([[loss, g.scalar(1, loss.dtype)]]), parameters);
}

/**
 * As `buildBackward`, from where dL/dy is known already: a loss that has its gradient in closed form starts the walk there.
 * @param cotangents dL/dy by y, of y's shape: what the loss gives to y directly, not through another of them
 * @param recompute parts of the graph whose values are computed again for their backward pass instead of being kept
 */
export function pullBack(
  g: Graph,
  cotangents: ReadonlyMap<Value, Value>,
  parameters: readonly Value[],
  recompute: readonly NodeRange[] = [],
): Value[] {
  const nodes = [...g.nodes];
  const reached = reachedFrom(parameters, nodes);
  const gradients = new Map(cotangents);
  const recomputations = new Map<NodeRange, Recomputation>();
  /** What the rules read of the node at `index`: kept, or computed again once `dy` is there. */
  const operandsFor = (index: number, dy: Value): ((value: Value) => Value) => {
    const range = recompute.find(({ from, to }) => from <= index && index < to);
    if (range === undefined) return (value) => value;
    const known =
      recomputations.get(range) ??
      new Recomputation(g, nodes.slice(range.from, range.to), { reached, after: dy });
    recomputations.set(range, known);
    return (value) => known.valueOf(value);
  };

  for (const [index, node] of [...nodes.entries()].toReversed()) {
    const byproduct = node.outputs.slice(1).find((value) => gradients.has(value));
    if (byproduct) throw new NotDifferentiableError(`${node.op}: no gradient flows into ${byproduct.name}`);
    const dy = gradients.get(node.output);
    if (dy === undefined || !reached.has(node.output)) continue;
    g.substituting(operandsFor(index, dy), () => {
      for (const [i, makeGradient] of applyRule(g, node, dy).entries()) {
        const x = node.inputs[i];
        if (makeGradient === null || !x || !reached.has(x)) continue;
        const known = gradients.get(x);
        gradients.set(x, known === undefined ? makeGradient() : g.add(known, makeGradient()));
      }
    });
  }
  return parameters.map((parameter) => {
    const gradient = gradients.get(parameter);
    if (gradient === undefined)
      throw new NotDifferentiableError(`The loss does not depend on ${parameter.name}`);
    return gradient;
  });
}

/** All values that change with a parameter. */
function reachedFrom(parameters: readonly Value[], nodes: readonly AnyNode[]): Set<Value> {
  const reached = new Set(parameters);
  for (const { inputs, outputs } of nodes) {
    if (inputs.some((input) => input !== null && reached.has(input)))
      for (const output of outputs) reached.add(output);
  }
  return reached;
}

function applyRule(g: Graph, node: AnyNode, dy: Value): ReturnType<VjpRule<OpName>> {
  if (!(node.op in vjpRules))
    throw new NotDifferentiableError(`${node.op} is an op for serving and has no gradient`);
  // One op's rule takes that op's node: true of each row of the table, which the compiler cannot see through a union.
  const rule = vjpRules[node.op as OpName] as VjpRule<OpName>;
  return rule(g, node as Node<OpName>, dy);
}
