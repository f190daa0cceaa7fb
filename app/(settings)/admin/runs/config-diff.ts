/** @file Settings of runs side by side: nested settings under dotted names, and which of them differ. */

/** `{lora: {rank: 8}}` → `lora.rank: 8`; an empty object and a list are one value. */
export function flattenConfig(config: Record<string, unknown>, prefix = ""): Map<string, string> {
  const flat = new Map<string, string>();
  for (const [key, value] of Object.entries(config)) {
    const name = prefix + key;
    if (isRecord(value) && Object.keys(value).length > 0) {
      for (const [inner, text] of flattenConfig(value, `${name}.`)) flat.set(inner, text);
    } else flat.set(name, describeValue(value));
  }
  return flat;
}

export function describeValue(value: unknown): string {
  if (value === null || value === undefined) return "none";
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "string" ? value : JSON.stringify(value);
}

export type ConfigRow = { name: string; values: string[]; differs: boolean };

/** One row per setting that any of them has; "–" where one lacks it. */
export function compareConfigs(configs: readonly Record<string, unknown>[]): ConfigRow[] {
  const flat = configs.map((config) => flattenConfig(config));
  const names = [...new Set(flat.flatMap((one) => [...one.keys()]))];
  return names.map((name) => {
    const values = flat.map((one) => one.get(name) ?? "–");
    return { name, values, differs: new Set(values).size > 1 };
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
