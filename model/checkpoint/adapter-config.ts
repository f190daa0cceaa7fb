/** @file adapter_config.json: the shape of a PEFT LoRA adapter. Of PEFT's many kinds only plain LoRA on linear layers is read. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";

export const adapterConfigFile = "adapter_config.json";
export const adapterWeightsFile = "adapter_model.safetensors";

const isEmpty = (pattern: Readonly<Record<string, number>>) => Object.keys(pattern).length === 0;

const configSchema = z.looseObject({
  peft_type: z.literal("LORA"),
  base_model_name_or_path: z.string().nullish(),
  r: z.int().positive(),
  lora_alpha: z.number().positive(),
  target_modules: z.union([z.array(z.string()), z.string()]).nullish(),
  use_rslora: z.boolean().default(false),
  use_dora: z.literal(false).default(false),
  bias: z.literal("none").default("none"),
  fan_in_fan_out: z.boolean().default(false),
  rank_pattern: z.record(z.string(), z.number()).refine(isEmpty).optional(),
  alpha_pattern: z.record(z.string(), z.number()).refine(isEmpty).optional(),
  /** A reward model's head lies with its adapter. */
  modules_to_save: z.array(z.literal("score")).max(1).nullish(),
});

export type AdapterConfig = z.output<typeof configSchema>;

/** An adapter cannot be used: the message says what in its folder is the matter. */
export class AdapterError extends Error {
  override readonly name = "AdapterError";
}

/** @throws AdapterError where there is none, and for another kind of adapter than plain LoRA on linear layers */
export async function readAdapterConfig(folder: string): Promise<AdapterConfig> {
  const file = path.join(folder, adapterConfigFile);
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new AdapterError(`${folder} is no adapter: it has no ${adapterConfigFile}`, { cause });
  });
  const config = configSchema.safeParse(parseJson(text, file));
  if (!config.success) throw new AdapterError(`${file}: ${z.prettifyError(config.error)}`);
  return config.data;
}

/** `alpha / rank` scales the product; `targets` are the last names of the layers it stands beside. */
export type AdapterShape = { rank: number; alpha: number; targets: readonly string[] };

/**
 * What of PEFT's configuration decides the shape of an adapter.
 * @throws AdapterError where its targets are no list of layers, or its scale is not alpha / rank
 */
export function loraShapeOf({ r, lora_alpha, target_modules, use_rslora }: AdapterConfig): AdapterShape {
  if (!Array.isArray(target_modules) || use_rslora) {
    const fact = use_rslora
      ? "is scaled by the root of its rank (use_rslora)"
      : "names no list of target_modules";
    throw new AdapterError(`The adapter ${fact}; only adapters trained by Attune are trained on or merged.`);
  }
  return { rank: r, alpha: lora_alpha, targets: target_modules };
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new AdapterError(`${file} is not JSON`, { cause });
  }
}
