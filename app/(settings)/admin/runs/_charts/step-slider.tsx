/** @file The crosshair by keyboard: a slider over the x axis that all charts follow. */
"use client";

type StepSliderProps = {
  min: number;
  max: number;
  value: number;
  /** Of one press of an arrow key. */
  stride: number;
  label: string;
  valueText: string;
  onChange: (x: number) => void;
};

export function StepSlider({ min, max, value, stride, label, valueText, onChange }: StepSliderProps) {
  return (
    <label className="flex items-center gap-3 text-small">
      <span className="shrink-0 text-muted">{label}</span>
      <input
        type="range"
        min={min}
        max={Math.max(max, min + stride)}
        step={stride}
        value={value}
        aria-valuetext={valueText}
        onChange={(event) => onChange(event.target.valueAsNumber)}
        className="min-w-0 grow"
      />
      <output className="shrink-0 tabular">{valueText}</output>
    </label>
  );
}
