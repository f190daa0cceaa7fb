/** @file The op table of ops met only when serving: fused and quantised kernels of the shipped runtime. */
import type { ServingOps } from "./op-signatures";
import { expectSameDType, floatTypes, type OpSpec, reduction } from "./op-spec";
import { expectIds, expectLastAxisVector, matMulShape } from "./shape-rules";
import { dimAt, GraphError, isSameShape, normalizeAxis } from "./tensor-type";

const domain = "com.microsoft" as const;

export const servingOps: { readonly [K in keyof ServingOps]: OpSpec<K> } = {
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
    infer: ([x, given], { axis, sizes }) => {
      const along = normalizeAxis("Split", axis, x);
      const isFixed = sizes.every((size) => typeof size === "number");
      const total = isFixed ? sizes.reduce<number>((sum, size) => sum + Number(size), 0) : sizes.join("+");
      if (x.shape[along] !== total || isFixed !== (given === null)) {
        throw new GraphError("Split", `sizes [${sizes.join(", ")}] do not fill axis ${axis}`, [x, given]);
      }
      return sizes.map((size) => ({ dtype: x.dtype, shape: x.shape.with(along, size) }));
    },
    write: ({ axis, sizes }, [x, given]) => ({
      attributes: [{ name: "axis", int: axis }],
      ...(given === null ? { inputs: [x], operands: [sizes.map(Number)] } : {}),
    }),
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
        isSameShape(scales.shape, [N, blocks]) &&
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
    write: ({ K, N, bits, blockSize, accuracyLevel }, [x, weight, scales, bias]) => ({
      domain,
      // Zero points and group index, which ONNX places before the bias, are left out.
      inputs: [x, weight, scales, null, null, bias],
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
      const op = "GatherBlockQuantized";
      expectIds(op, [table, ids, scales], ids);
      const [rows, bytes] = table.shape;
      const width = (Number(bytes) * 8) / bits;
      const fits =
        table.shape.length === 2 &&
        table.dtype === "uint8" &&
        isSameShape(scales.shape, [rows ?? 0, width / blockSize]);
      if (!fits)
        throw new GraphError(op, `does not fit ${bits} bits, block ${blockSize}`, [table, ids, scales]);
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
