/** @file Weights as graph inputs: how a model is trained, and run from any arrays without building a new session. */
import type { Graph, Value } from "@/model/graph/graph";
import type { LinearLayer, ModelWeights, Table } from "./weights";

/** Each parameter becomes one float32 input under its Hugging Face name, in its stored layout. */
export class GraphInputWeights implements ModelWeights {
  /** By name, in order of first use. */
  readonly parameters = new Map<string, Value>();
  readonly #constants = new Map<string, Value>();

  linear(g: Graph, x: Value, layers: readonly LinearLayer[]): Value[] {
    return layers.map((layer) => {
      const { name, inSize, outSize, hasBias, isInOut } = layer;
      const stored = this.#parameter(g, `${name}.weight`, isInOut ? [inSize, outSize] : [outSize, inSize]);
      const y = g.matMul(x, isInOut ? stored : g.transposeLast(stored));
      return hasBias ? g.add(y, this.#parameter(g, `${name}.bias`, [outSize])) : y;
    });
  }

  tiedHead(g: Graph, x: Value, table: Table): Value {
    return g.matMul(x, g.transposeLast(this.#table(g, table)));
  }

  embed(g: Graph, ids: Value, table: Table): Value {
    return g.gather(this.#table(g, table), ids);
  }

  vector(g: Graph, name: string, size: number): Value {
    return this.#parameter(g, name, [size]);
  }

  constant(g: Graph, name: string, shape: readonly number[], data: () => Float32Array): Value {
    const known = this.#constants.get(name) ?? g.initializer(name, { dtype: "float32", shape }, data());
    this.#constants.set(name, known);
    return known;
  }

  #table(g: Graph, { name, rows, width }: Table): Value {
    return this.#parameter(g, `${name}.weight`, [rows, width]);
  }

  #parameter(g: Graph, name: string, shape: readonly number[]): Value {
    const known = this.parameters.get(name) ?? g.input(name, "float32", shape);
    this.parameters.set(name, known);
    return known;
  }
}
