/** @file The form of each architecture that is trained gives the logits of the form that is served. */
import { expect, it } from "vitest";
import { Graph } from "@/model/graph/graph";
import { headLayout } from "@/model/nn/attention";
import { packedMask } from "@/model/nn/packed-mask";
import { TrainedWeights } from "@/model/nn/trained-weights";
import { buildHead, buildTransformer } from "@/model/nn/transformer";
import { runGraph } from "@/tests/helpers/run-graph";
import { families, maxDifference, tinyModel } from "@/tests/numeric/runtime/tiny-model";

it.each(families)(
  "%s: plain attention over graph inputs equals the cache over stored weights",
  async (family) => {
    await using tiny = await tinyModel(family);
    const { config, tensors } = tiny.checkpoint;
    const g = new Graph();
    const shape = [1, tiny.ids.length];
    const [ids, positions, segments] = ["ids", "positions", "segments"].map((name) =>
      g.input(name, "int64", shape),
    );
    if (!ids || !positions || !segments) throw new Error("no inputs");
    const weights = new TrainedWeights(null);
    const mask = packedMask(g, positions, segments, headLayout(config));
    const { hidden } = buildTransformer(g, config, weights, { ids, positions, mask, past: null });
    g.output("logits", buildHead(g, config, weights, hidden));

    const feeds = {
      ids: { values: tiny.ids },
      positions: { values: tiny.ids.map((_, i) => i) },
      segments: { values: tiny.ids.map(() => 0) },
      ...Object.fromEntries(
        [...weights.trained.keys()].map((name) => [name, { values: [...tensors.read(name)] }]),
      ),
    };
    const { logits } = await runGraph(g, feeds);
    await using served = await tiny.load();
    const rows = await served.score(0, tiny.ids);
    const trained = Float32Array.from(logits?.values ?? []);
    const size = config.vocabularySize;
    for (const [i, row] of rows.entries()) {
      expect(maxDifference(row, trained.subarray(i * size, (i + 1) * size))).toBeLessThan(1e-5);
    }
  },
);
