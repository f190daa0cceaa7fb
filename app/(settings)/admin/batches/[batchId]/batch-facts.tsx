/** @file A batch's figures and settings. */
import Link from "next/link";
import type { ReactNode } from "react";
import { Moment } from "@/app/_components/moment";
import type { Batch, BatchDetail } from "@/app/_lib/api-types";
import { formatDuration, plural } from "@/app/_lib/format";
import { TaskBar } from "../task-bar";

export function BatchFacts({ batch }: { batch: BatchDetail }) {
  const { progress } = batch;
  const { comparisons, ties } = progress;
  // Practice and tests are for every labeler: nothing of them is ever used up.
  const isWork = batch.purpose !== "practice" && batch.purpose !== "qualification";
  return (
    <dl className="mt-5 grid gap-x-8 gap-y-4 sm:grid-cols-2 lg:grid-cols-4">
      <Fact title="Tasks">
        <TaskBar tasks={progress.tasks} />
      </Fact>
      {batch.task === "demonstration" ? (
        <Fact
          title="Demonstrations"
          note={isWork ? plural(progress.openPlaces, "place left", "places left") : undefined}
        >
          {progress.demonstrations.toLocaleString("en")}
        </Fact>
      ) : (
        <Fact
          title="Rankings"
          note={`${plural(progress.labelers, "labeler", "labelers")}, ${progress.claimed} being worked on${isWork ? `, ${plural(progress.openPlaces, "place left", "places left")}` : ""}`}
        >
          {progress.rankings.toLocaleString("en")}
        </Fact>
      )}
      {batch.task !== "demonstration" && (
        <Fact title="Comparisons" note={`${ties.toLocaleString("en")} tied pairs are no comparisons`}>
          {comparisons.toLocaleString("en")}
        </Fact>
      )}
      <Fact title="Cost per comparison" note={costNote(batch)}>
        {formatCost(batch.costPerComparison)}
      </Fact>
      <Fact title="Speed" note={`${formatRate(progress.perHour.week)} an hour over the last week`}>
        {formatRate(progress.perHour.day)} an hour over the last day
      </Fact>
      <Fact title="Projected end" note={batch.deadline && <Due at={batch.deadline} />}>
        {isWork && progress.projectedEnd && batch.status === "open" ? (
          <Moment at={progress.projectedEnd} />
        ) : (
          "–"
        )}
      </Fact>
      <Fact title="Policies" note={samplingNote(batch)}>
        {batch.policies.map(({ name }) => name).join(", ") || "none"}
      </Fact>
      {batch.doubtFirst && (
        <Fact title="Labeled first" note={<DoubtNote doubtFirst={batch.doubtFirst} />}>
          {doubtNames[batch.doubtFirst.by]}
        </Fact>
      )}
      <Fact
        title="People"
        note={`${isWork ? `${plural(batch.overlap, "labeler", "labelers")} a task` : "each task for all of them"}, guidelines version ${batch.guidelinesVersion}`}
      >
        {batch.group?.name ?? (isWork ? "everybody qualified" : "everybody")}
      </Fact>
    </dl>
  );
}

type DoubtFirst = NonNullable<Batch["doubtFirst"]>;

const doubtNames: Record<DoubtFirst["by"], string> = {
  margin: "closest scores",
  deviation: "where the ensemble differs most",
};

function DoubtNote({ doubtFirst: { model, scored, waiting } }: { doubtFirst: DoubtFirst }) {
  return (
    <>
      by{" "}
      <Link href={`/admin/reward-models/${model.id}`} className="underline underline-offset-2">
        {model.name}
      </Link>
      : {plural(scored, "task scored", "tasks scored")}
      {waiting > 0 &&
        (model.isDeleted
          ? `; it was deleted, so the other ${waiting.toLocaleString("en")} keep their plain order`
          : `, ${waiting.toLocaleString("en")} not yet, which come last`)}
    </>
  );
}

function samplingNote({ task, k, sampling, madeElsewhere }: BatchDetail): string {
  if (task === "demonstration") return "Written by people";
  if (madeElsewhere) {
    const { least, most } = madeElsewhere;
    return `${least === most ? most : `${least} to ${most}`} responses a task, made elsewhere`;
  }
  if (sampling.temperature === undefined) return "Made elsewhere";
  return `${k} responses, temperature ${sampling.temperature}, at most ${sampling.maxTokens ?? "any number of"} tokens`;
}

/** Two digits say what a rate of people's work can say. */
const formatRate = (perHour: number): string => Number(perHour.toPrecision(2)).toLocaleString("en");

/** In whatever currency the hour was told. */
function formatCost(cost: number | null): string {
  if (cost === null) return "–";
  return cost > 0 && cost < 0.001 ? "under 0.001" : cost.toLocaleString("en", { maximumFractionDigits: 3 });
}

function costNote({ costPerHour, progress: { activeMs } }: Batch): string {
  const time = activeMs === 0 ? "No active time yet" : `${formatDuration(activeMs / 1000)} of active time`;
  return `${time}${costPerHour === null ? "; no cost per hour was told" : ` at ${costPerHour} an hour`}`;
}

const Due = ({ at }: { at: Date }) => (
  <>
    due <Moment at={at} withTime={false} />
  </>
);

function Fact({ title, note, children }: { title: string; note?: ReactNode; children: ReactNode }) {
  return (
    <div>
      <dt className="text-small text-muted">{title}</dt>
      <dd>
        <div className="tabular">{children}</div>
        {note && <p className="text-small text-muted">{note}</p>}
      </dd>
    </div>
  );
}
