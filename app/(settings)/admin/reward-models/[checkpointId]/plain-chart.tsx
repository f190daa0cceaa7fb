/** @file A chart by itself: its crosshair is its own, and there is nothing to zoom. */
"use client";

import { useState } from "react";
import { ChartFigure } from "../../runs/_charts/chart-figure";
import type { Line } from "../../runs/_charts/uplot-chart";

type PlainChartProps = {
  title: string;
  unit?: string;
  xs: number[];
  columns: (number | null)[][];
  lines: Line[];
  bands?: [number, number][];
  /** `xs` are seconds since 1970. */
  isTime?: boolean;
};

const height = 220;

export function PlainChart(props: PlainChartProps) {
  const [cursorX, setCursorX] = useState<number | null>(null);
  return (
    <ChartFigure
      {...props}
      height={height}
      range={null}
      hasXLabels
      cursorX={cursorX}
      onCursor={setCursorX}
      onZoom={() => {}}
    />
  );
}
