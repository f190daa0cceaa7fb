/** @file Settings for three sizes of patience, each with the time it is expected to take here. */
"use client";

import type { StageDescription } from "@/app/_lib/api-types";
import { formatDuration } from "@/app/_lib/format";

type PresetChoiceProps = {
  presets: StageDescription["presets"];
  isChosen: (settings: Record<string, unknown>) => boolean;
  onChoose: (settings: Record<string, unknown>) => void;
  /** Null: not known before base and data are chosen. */
  secondsOf: (settings: Record<string, unknown>) => number | null;
};

const titles: Record<string, string> = { minutes: "Minutes", hour: "An hour", night: "A night" };

export function PresetChoice({ presets, isChosen, onChoose, secondsOf }: PresetChoiceProps) {
  return (
    <fieldset>
      <legend className="font-medium">Patience</legend>
      <div className="mt-1 space-y-1">
        {presets.map(({ name, text, settings }) => {
          const seconds = secondsOf(settings);
          return (
            <label key={name} className="flex items-baseline gap-2.5 py-1">
              <input
                type="radio"
                name="preset"
                checked={isChosen(settings)}
                onChange={() => onChoose(settings)}
              />
              <span className="min-w-0">
                <span className="font-medium">{titles[name] ?? name}</span>
                {seconds !== null && (
                  <span className="tabular">{`, about ${formatDuration(Math.max(1, seconds))} here`}</span>
                )}
                <span className="block text-small text-muted">{text}</span>
              </span>
            </label>
          );
        })}
      </div>
    </fieldset>
  );
}
