/** @file Dropout in the graph of a training step: its tables as inputs, one site after another. */
import type { ModelConfig } from "../checkpoint/model-config";
import type { Graph, Value } from "../graph/graph";
import type { Dim } from "../graph/tensor-type";
import { dropout, dropoutSites } from "../nn/dropout";

/** Each call of what is returned takes the tables of the next site. */
export function dropoutInputs(
  g: Graph,
  config: ModelConfig,
  { tokens, rate }: { tokens: Dim; rate: number },
): (x: Value) => Value {
  const sites = dropoutSites(config);
  const rows = g.input("dropoutRows", "int32", [sites, tokens]);
  const columns = g.input("dropoutColumns", "int32", [sites, config.hiddenSize]);
  let site = 0;
  return (x) => {
    const ofSite = (tables: Value, shape: readonly Dim[]) =>
      g.reshape(g.slice(tables, 0, site, site + 1), shape);
    const tables = { rows: ofSite(rows, [tokens, 1]), columns: ofSite(columns, [1, config.hiddenSize]) };
    site++;
    return dropout(g, x, rate, tables);
  };
}
