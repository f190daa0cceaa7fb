/** @file What a run is made of, who started it and where it runs. */
"use client";

import Link from "next/link";
import type { ReactNode } from "react";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import type { RunDetail } from "@/app/_lib/api-types";
import { formatDuration } from "@/app/_lib/format";
import { describeBest } from "../best-of-run";

const linkClass = "underline decoration-line underline-offset-2 hover:decoration-current";

export function RunFacts({ run }: { run: RunDetail }) {
  const { base, datasets, rewardModels, worker, best, clonedFrom, createdBy, startedAt, endedAt } = run;
  return (
    <>
      <dl className="mt-3 grid grid-cols-2 gap-x-8 gap-y-3 md:grid-cols-4">
        <Fact title="Base">
          {base ? (
            <Link href={`/admin/models#checkpoint-${base.id}`} className={linkClass}>
              {base.name}
            </Link>
          ) : (
            "nothing: new weights"
          )}
        </Fact>
        <Fact title={datasets.length === 1 ? "Dataset" : "Datasets"}>
          {datasets.map(({ id, name, role }) => (
            <div key={`${role} ${id}`}>
              <Link href={`/admin/datasets/${id}`} className={linkClass}>
                {name}
              </Link>
              {role === "pretrainMix" && <span className="text-muted"> (mixed in)</span>}
            </div>
          ))}
        </Fact>
        <Fact title="Worker">
          {worker ? (
            <Link href="/admin/workers" className={linkClass}>
              {worker.name}
            </Link>
          ) : (
            "none now"
          )}
        </Fact>
        {rewardModels.length > 0 && (
          <Fact title="Scored by">
            {rewardModels.map(({ id, name, role }) => (
              <div key={`${role} ${id}`}>
                <Link href={`/admin/reward-models/${id}`} className={linkClass}>
                  {name}
                </Link>
                {role === "judge" && <span className="text-muted"> (only watches)</span>}
              </div>
            ))}
          </Fact>
        )}
        <Fact title="Best held out">
          {best ? `${describeBest(best)}, step ${best.step.toLocaleString("en")}` : "not measured yet"}
        </Fact>
        {run.seeds.length > 0 && <SeedsFact run={run} />}
        <Fact title="Started by">
          {createdBy?.name ?? "the system"}, <Moment at={run.createdAt} />
          {clonedFrom && (
            <div>
              clone of{" "}
              <Link href={`/admin/runs/${clonedFrom.id}`} className={linkClass}>
                run {clonedFrom.number}
              </Link>
            </div>
          )}
        </Fact>
        <Fact title={endedAt ? "Ended" : "Runs since"}>
          {endedAt ? <Moment at={endedAt} /> : startedAt ? <Moment at={startedAt} /> : "waits"}
          {startedAt && endedAt && (
            <div className="text-muted">
              after {formatDuration((+new Date(endedAt) - +new Date(startedAt)) / 1000)}
            </div>
          )}
        </Fact>
        {run.priority !== 0 && <Fact title="Priority">{run.priority}</Fact>}
        {run.attempts > 0 && <Fact title="Failures in a row">{run.attempts} of 3</Fact>}
      </dl>
      {run.notReproducible && (
        <Notice className="mt-3 max-w-[46rem]">
          The same run could not be made again: {run.notReproducible}
        </Notice>
      )}
    </>
  );
}

/** Those that were started together with other seeds. */
function SeedsFact({ run: { id: own, seeds } }: { run: RunDetail }) {
  const query = seeds.map(({ id }) => `run=${id}`).join("&");
  return (
    <Fact title={`One of ${seeds.length} seeds`}>
      <ul aria-label="Seeds">
        {seeds.map(({ id, number, seed, status }) => (
          <li key={id}>
            {id === own ? (
              <span aria-current="true">seed {seed}, this run</span>
            ) : (
              <>
                <Link href={`/admin/runs/${id}`} className={linkClass}>
                  seed {seed}
                </Link>
                <span className="text-muted">
                  {" "}
                  (run {number}, {status})
                </span>
              </>
            )}
          </li>
        ))}
      </ul>
      <Link href={`/admin/runs/compare?${query}`} className={linkClass}>
        Compare them
      </Link>
    </Fact>
  );
}

function Fact({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div className="min-w-0">
      <dt className="text-small text-muted">{title}</dt>
      <dd className="min-w-0">{children}</dd>
    </div>
  );
}
