/** @file Which adapter a run trains: a new one over a bare base, or a copy of the one it starts from, in that one's shape. */
import { type AdapterConfig, loraShapeOf } from "../checkpoint/adapter-config";
import type { Checkpoint } from "../checkpoint/checkpoint";
import type { LoraShape } from "../nn/trained-weights";
import { everyLayer } from "./lora";
import { ConfigError } from "./run-config";
import type { SftConfig } from "./sft-config";

type Asked = SftConfig["lora"];

/**
 * Null: every weight is trained.
 * @throws ConfigError where another shape is asked for than the adapter has that the run starts from
 */
export function chooseLora(asked: Asked, { adapter, config, manifest }: Checkpoint): LoraShape | null {
  if (asked === null) return null;
  if (adapter === null) {
    const { rank, alpha, targets } = asked;
    return { rank: rank ?? 16, alpha: alpha ?? 32, targets: targets ?? everyLayer(config) };
  }
  refuseOtherShape(asked, { name: manifest.name, adapter });
  return loraShapeOf(adapter);
}

/**
 * An adapter is trained on in the shape it has: settings that are left out, or null, take it over.
 * @throws ConfigError, one line per setting that asks for another one
 */
export function refuseOtherShape(
  asked: Asked,
  { name, adapter }: { name: string; adapter: AdapterConfig },
): void {
  if (asked === null) return;
  const has = loraShapeOf(adapter);
  const sorted = (targets: readonly string[] | null) => targets && [...targets].toSorted();
  const others = [
    { setting: "rank", wanted: asked.rank, found: has.rank },
    { setting: "alpha", wanted: asked.alpha, found: has.alpha },
    { setting: "targets", wanted: sorted(asked.targets), found: sorted(has.targets) },
  ].filter(({ wanted, found }) => wanted !== null && JSON.stringify(wanted) !== JSON.stringify(found));
  if (others.length === 0) return;
  const facts = others.map(
    ({ setting, wanted, found }) =>
      `lora.${setting}: ${JSON.stringify(wanted)} is asked for, but ${name} is an adapter with ${JSON.stringify(found)}, and its training goes on.`,
  );
  throw new ConfigError(
    `${facts.join("\n")}\nLeave it out, or start from the base for a new adapter; npx attune models merge makes a base of ${name}, which begins a lineage of its own.`,
  );
}
