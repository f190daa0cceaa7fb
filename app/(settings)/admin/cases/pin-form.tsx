/** @file Pins a case: what it is called, why, and what an answer must be: rules, a reference, or a person's word. */
"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { Button } from "@/app/_components/button";
import { SelectField, TextArea, TextField } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import type { NewCase } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { type DraftRule, emptyRule, RulesFields, toRule } from "./rules-fields";

type Expects = NewCase["expects"];
type Reference = Extract<Expects, { kind: "reference" }>;

const kinds: Record<Expects["kind"], { title: string; hint: string }> = {
  check: { title: "Rules", hint: "Every rule must hold." },
  reference: { title: "A reference answer", hint: "The answer must come near enough to it." },
  eyes: {
    title: "Eyes",
    hint: "Somebody who neither asks for the promotion nor approves it reads each answer.",
  },
};
const isKind = (value: string): value is Expects["kind"] => Object.hasOwn(kinds, value);

const metrics: Record<Reference["metric"], string> = {
  rougeL: "ROUGE-L: the longest part in common",
  squad: "F1: the words in common",
  bleu: "BLEU",
  number: "the last number is the same",
};
const isMetric = (value: string): value is Reference["metric"] => Object.hasOwn(metrics, value);

type PinFormProps = {
  origin: NewCase["origin"];
  /** What was expected where it was asked, as a start. */
  reference?: string;
  /** The conversation, where it is written here. */
  children?: ReactNode;
  onPinned: (pinned: { caseId: string; number: number }) => void;
};

export function PinForm({ origin, reference = "", children, onPinned }: PinFormProps) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const [title, setTitle] = useState("");
  const [why, setWhy] = useState("");
  const [kind, setKind] = useState<Expects["kind"]>("check");
  const [rules, setRules] = useState<DraftRule[]>([emptyRule(0)]);
  const [references, setReferences] = useState(reference);
  const [metric, setMetric] = useState<Reference["metric"]>("rougeL");
  const [floor, setFloor] = useState(50);
  const [lookFor, setLookFor] = useState("");
  const pinning = useMutation(
    trpc.cases.pin.mutationOptions({
      onSuccess: async (pinned) => {
        await queries.invalidateQueries({ queryKey: trpc.cases.pathKey() });
        onPinned(pinned);
      },
    }),
  );
  const expectsOf: Record<Expects["kind"], () => Expects> = {
    check: () => ({ kind: "check", rules: rules.map(toRule) }),
    reference: () => ({ kind: "reference", metric, references: [references], floor: floor / 100 }),
    eyes: () => ({ kind: "eyes", lookFor }),
  };
  return (
    <form
      className="max-w-[38rem] space-y-4"
      onSubmit={(event) => {
        event.preventDefault();
        pinning.mutate({ title, why, origin, expects: expectsOf[kind]() });
      }}
    >
      {children}
      <TextField
        label="Title"
        hint="What must not be lost, in a few words."
        required
        maxLength={100}
        value={title}
        onChange={({ target }) => setTitle(target.value)}
      />
      <TextArea
        label="Why (may be empty)"
        rows={2}
        maxLength={2_000}
        value={why}
        onChange={({ target }) => setWhy(target.value)}
      />
      <SelectField
        label="Decided by"
        hint={kinds[kind].hint}
        value={kind}
        onChange={({ target }) => isKind(target.value) && setKind(target.value)}
      >
        {Object.entries(kinds).map(([value, { title: name }]) => (
          <option key={value} value={value}>
            {name}
          </option>
        ))}
      </SelectField>
      {kind === "check" && <RulesFields rules={rules} onChange={setRules} />}
      {kind === "reference" && (
        <>
          <TextArea
            label="Reference answer"
            rows={4}
            required
            value={references}
            onChange={({ target }) => setReferences(target.value)}
          />
          <div className="grid gap-4 sm:grid-cols-[1fr_8rem]">
            <SelectField
              label="Compared by"
              value={metric}
              onChange={({ target }) => isMetric(target.value) && setMetric(target.value)}
            >
              {Object.entries(metrics).map(([value, name]) => (
                <option key={value} value={value}>
                  {name}
                </option>
              ))}
            </SelectField>
            <TextField
              label="At least (%)"
              type="number"
              required
              min={1}
              max={100}
              value={Number.isNaN(floor) ? "" : floor}
              onChange={({ target }) => setFloor(target.valueAsNumber)}
            />
          </div>
        </>
      )}
      {kind === "eyes" && (
        <TextArea
          label="What to look for"
          rows={2}
          required
          maxLength={2_000}
          value={lookFor}
          onChange={({ target }) => setLookFor(target.value)}
        />
      )}
      {pinning.error && (
        <Notice tone="error">
          <p className="whitespace-pre-wrap">{errorText(pinning.error)}</p>
        </Notice>
      )}
      <Button type="submit" look="primary" busy={pinning.isPending}>
        Pin the case
      </Button>
    </form>
  );
}
