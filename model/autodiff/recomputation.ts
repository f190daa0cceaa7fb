/** @file A part of the forward pass recorded once more within the backward pass, so that its values need not be kept. */
import type { AnyNode, Graph, Value } from "../graph/graph";

export class Recomputation {
  readonly #g: Graph;
  readonly #nodes: ReadonlySet<AnyNode>;
  readonly #reached: ReadonlySet<Value>;
  readonly #after: Value;
  readonly #values = new Map<Value, Value>();

  /**
   * @param reached values that depend on a parameter
   * @param after the gradient that the part's backward pass starts with. What enters the part is made to depend on it
   *   (x + 0 dy): otherwise the runtime would recognise the second computation as the first, or do it too early.
   */
  constructor(
    g: Graph,
    nodes: readonly AnyNode[],
    { reached, after }: { reached: ReadonlySet<Value>; after: Value },
  ) {
    this.#g = g;
    this.#nodes = new Set(nodes);
    this.#reached = reached;
    this.#after = after;
  }

  /** The value computed again where it belongs to this part; others as they are. Recorded when first asked for. */
  valueOf(value: Value): Value {
    const { source } = value;
    if (source.kind !== "node") return value;
    const isInside = this.#nodes.has(source.node);
    // Gradients, and values that no parameter reaches (masks), are neither inside nor entering.
    if (!isInside && !this.#reached.has(value)) return value;
    const known = this.#values.get(value);
    if (known) return known;
    if (isInside) this.#repeat(source.node);
    else this.#values.set(value, this.#g.add(value, this.#zero(value)));
    return this.#values.get(value) ?? value;
  }

  #repeat(node: AnyNode): void {
    const inputs = node.inputs.map((input) => input && this.valueOf(input));
    // The very op with operands of the very types, which the compiler cannot see through the union.
    const again = this.#g.record(node.op, inputs as never, node.attrs as never);
    for (const [i, output] of node.outputs.entries())
      this.#values.set(output, again.outputs[i] ?? again.output);
  }

  #zero({ dtype }: Value): Value {
    // One element, axis by axis, for a size may be a symbol.
    const corner = this.#after.shape.reduce((x, _, axis) => this.#g.slice(x, axis, 0, 1), this.#after);
    const first = this.#g.reshape(corner, [1]);
    return this.#g.cast(this.#g.scale(first, 0), dtype);
  }
}
