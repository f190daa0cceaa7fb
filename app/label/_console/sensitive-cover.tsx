/** @file Sensitive text stays blurred and unread until the labeler opens it. */
"use client";

import type { ReactNode } from "react";
import { Button } from "@/app/_components/button";
import { classNames } from "@/app/_components/class-names";
import { KeyHint } from "./key-hint";

type SensitiveCoverProps = {
  isCovered: boolean;
  onOpen: () => void;
  onOptOut: () => void;
  children: ReactNode;
};

export function SensitiveCover({ isCovered, onOpen, onOptOut, children }: SensitiveCoverProps) {
  return (
    <div className="relative flex min-h-0 grow flex-col">
      <div
        inert={isCovered}
        className={classNames("flex min-h-0 grow flex-col", isCovered && "blur-md select-none")}
      >
        {children}
      </div>
      {isCovered && (
        <section
          aria-labelledby="sensitive-title"
          className="absolute inset-x-4 top-1/4 mx-auto max-w-md rounded-xl border border-line bg-raised p-5 shadow-float"
        >
          <h2 id="sensitive-title" className="font-semibold">
            This task holds sensitive text
          </h2>
          <p className="mt-1 text-muted">
            It may be sexual, violent or otherwise hard to read. You need not take such tasks.
          </p>
          <div className="mt-4 flex flex-wrap gap-2">
            <Button look="primary" onClick={onOpen}>
              Show it <KeyHint>Enter</KeyHint>
            </Button>
            <Button onClick={onOptOut}>Skip it, and give me no more of these</Button>
          </div>
        </section>
      )}
    </div>
  );
}
