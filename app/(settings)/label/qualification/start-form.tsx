/** @file Before the test: what it asks, what passes, and the areas one is at home in. */
"use client";

import { useMutation } from "@tanstack/react-query";
import { useRouter } from "next/navigation";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { Notice } from "@/app/_components/notice";
import type { OwnQualification } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { plural } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";
import { Section } from "@/app/(settings)/_frame/section";
import { ChoiceList } from "@/app/(settings)/admin/batches/new/choice-list";
import { criteriaTexts, percentOf, ratingOf } from "./criteria-table";

type StartFormProps = {
  test: NonNullable<OwnQualification["test"]>;
  isAgain: boolean;
  onStarted: () => void;
};

export function StartForm({ test, isAgain, onStarted }: StartFormProps) {
  const [areas, setAreas] = useState<string[]>([]);
  const router = useRouter();
  const starting = useMutation(
    useTRPC().qualification.start.mutationOptions({
      onSuccess: () => {
        onStarted();
        router.push("/label?purpose=qualification");
      },
    }),
  );
  const { retakeAfterDays, mostSittings } = test;
  return (
    <Section title={test.name}>
      <form
        className="max-w-[38rem] space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          starting.mutate({ areas });
        }}
      >
        <p>
          {plural(test.rankings, "task", "tasks")} to rate and rank
          {test.demonstrations > 0 && `, ${plural(test.demonstrations, "answer", "answers")} to write`}.
          Nothing is explained until you have handed it in. Skipping is not offered; text marked as sensitive
          may be left out.
        </p>
        <ul className="list-disc space-y-1 pl-5">
          <li>
            Rankings: {percentOf(test.rankingCutoff)} {criteriaTexts.rankings}.
          </li>
          <li>
            Flags: {percentOf(test.flagCutoff)} {criteriaTexts.flags}.
          </li>
          {test.demonstrations > 0 && (
            <li>Demonstrations: a mean of {ratingOf(test.ratingCutoff)}, rated 1 to 7 by a lead.</li>
          )}
        </ul>
        <p className="text-small text-muted">
          Who does not pass may sit again{" "}
          {retakeAfterDays === 0 ? "at once" : `after ${plural(retakeAfterDays, "day", "days")}`}
          {mostSittings !== null && `, ${plural(mostSittings, "time", "times")} in all`}.
        </p>
        {test.areas.length > 0 && (
          <ChoiceList
            legend="What are you at home in?"
            hint="As you judge it yourself. It has no cut-off: it tells your lead what the team covers."
            choices={test.areas.map((area) => ({ value: area, label: area }))}
            chosen={areas}
            onChange={setAreas}
          />
        )}
        {starting.error && <Notice tone="error">{errorText(starting.error)}</Notice>}
        <Button type="submit" look="primary" busy={starting.isPending}>
          {isAgain ? "Sit the test again" : "Begin the test"}
        </Button>
      </form>
    </Section>
  );
}
