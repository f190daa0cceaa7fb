/** @file The op table of ops met only when serving: fused and quantised kernels of the shipped runtime. */
import type { ServingOps } from "./op-signatures";
import { elementwise, expectSameDType, floatTypes, type OpSpec, reduction } from "./op-spec";
import { expectIds, expectLastAxisVector, matMulShape } from "./shape-rules";
import { dimAt, GraphError, isSameShape, normalizeAxis } from "./tensor-type";

const domain = "com.microsoft" as const;

export const servingOps: { readonly [K in keyof ServingOps]: OpSpec<K> } = {
  QuickGelu: {
    ...elementwise("QuickGelu"),
    write: ({ alpha }) => ({ domain, attributes: [{ name: "alpha", float: alpha }] }),
  },
  FusedMatMul: {
    infer: ([a, b], { transB }) => [
      {
        dtype: expectSameDType("FusedMatMul", [a, b], floatTypes),
        shape: matMulShape("FusedMatMul", a, b, transB),
      },
    ],
    write: ({ transB, alpha }) => ({
      domain,
      attributes: [
        { name: "transB", int: transB ? 1 : 0 },
        { name: "alpha", float: alpha },
      ],
    }),
  },
  Split: {
    infer: ([x], { axis, sizes }) => {
      const along = normalizeAxis("Split", axis, x);
      const total = sizes.reduce((sum, size) => sum + size, 0);
      if (x.shape[along] !== total) {
        throw new GraphError("Split", `sizes [${sizes}] do not fill axis ${axis}`, [x]);
      }
      return sizes.map((size) => ({ dtype: x.dtype, shape: x.shape.with(along, size) }));
    },
    write: ({ axis, sizes }) => ({ attributes: [{ name: "axis", int: axis }], operands: [sizes] }),
  },
  SkipSimplifiedLayerNormalization: {
    infer: ([x, skip, scale]) => {
      const dtype = expectSameDType("SkipSimplifiedLayerNormalization", [x, skip, scale], floatTypes);
      expectLastAxisVector("SkipSimplifiedLayerNormalization", x, scale);
      if (!isSameShape(x.shape, skip.shape)) {
        throw new GraphError("SkipSimplifiedLayerNormalization", "x and skip differ", [x, skip, scale]);
      }
      const type = { dtype, shape: x.shape };
      return [type, type];
    },
    write: ({ epsilon }) => ({
      domain,
      attributes: [{ name: "epsilon", float: epsilon }],
      outputSlots: [0, 3],
    }),
  },
  MatMulNBits: {
    infer: ([x, weight, scales, bias], { K, N, bits, blockSize }) => {
      const blocks = Math.ceil(K / blockSize);
      const fits =
        dimAt("MatMulNBits", x, -1) === K &&
        weight.dtype === "uint8" &&
        isSameShape(weight.shape, [N, blocks, (blockSize * bits) / 8]) &&
        isSameShape(scales.shape, [N * blocks]) &&
        (bias === null || isSameShape(bias.shape, [N]));
      if (!fits) {
        throw new GraphError("MatMulNBits", `does not fit K ${K}, N ${N}, ${bits} bits, block ${blockSize}`, [
          x,
          weight,
          scales,
          bias,
        ]);
      }
      return [{ dtype: expectSameDType("MatMulNBits", [x, scales], floatTypes), shape: x.shape.with(-1, N) }];
    },
    write: ({ K, N, bits, blockSize, accuracyLevel }, [, , , bias]) => ({
      domain,
      // ONNX places bias after the optional zero points and group index.
      operands: bias === null ? [] : [null, null],
      attributes: [
        { name: "K", int: K },
        { name: "N", int: N },
        { name: "bits", int: bits },
        { name: "block_size", int: blockSize },
        { name: "accuracy_level", int: accuracyLevel },
      ],
    }),
  },
  GatherBlockQuantized: {
    infer: ([table, ids, scales], { bits, blockSize }) => {
      expectIds("GatherBlockQuantized", [table, ids, scales], ids);
      const bytes = Number(dimAt("GatherBlockQuantized", table, -1));
      const width = (bytes * 8) / bits;
      if (table.dtype !== "uint8" || !isSameShape(scales.shape, [table.shape[0] ?? 0, width / blockSize])) {
        throw new GraphError("GatherBlockQuantized", `does not fit ${bits} bits, block ${blockSize}`, [
          table,
          ids,
          scales,
        ]);
      }
      return [{ dtype: scales.dtype, shape: [...ids.shape, width] }];
    },
    write: ({ bits, blockSize }) => ({
      domain,
      attributes: [
        { name: "bits", int: bits },
        { name: "block_size", int: blockSize },
        { name: "gather_axis", int: 0 },
        { name: "quantize_axis", int: 1 },
      ],
    }),
  },
  ReduceLogSumExp: reduction("ReduceLogSumExp"),
};
