/** @file Episodes of PPO to read: sorted by reward, KL or length, each with what every token cost and was worth. */
"use client";

import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { classNames } from "@/app/_components/class-names";
import { SelectField } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import { Pulse } from "@/app/_components/pulse";
import type { Episode } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { formatMetric, plural } from "@/app/_lib/format";
import { useTRPC, useTRPCClient } from "@/app/_lib/trpc";
import { type Order, orders, sortEpisodes } from "./episode-order";
import { EpisodeView } from "./episode-view";
import { ExportLinks } from "./export-links";

type EpisodesSectionProps = {
  runId: string;
  /** Newest step that is known: with each there may be new ones. */
  lastStep: number;
};

export function EpisodesSection({ runId, lastStep }: EpisodesSectionProps) {
  const trpc = useTRPC();
  const client = useTRPCClient();
  const [step, setStep] = useState<number | null>(null);
  const [order, setOrder] = useState<Order>("rewardDown");
  const [chosen, setChosen] = useState<number | null>(null);
  // A step that is new gives a new key, and so another reading; one that was chosen stays as it is.
  const upTo = step === null ? lastStep : null;
  const { data, error } = useQuery({
    queryKey: [...trpc.runs.episodes.pathKey(), { runId, step, upTo }],
    queryFn: ({ signal }) => client.runs.episodes.query({ runId, step }, { signal }),
    placeholderData: keepPreviousData,
  });
  const sorted = sortEpisodes(data?.episodes ?? [], order);
  const shown = sorted.find(({ place }) => place === chosen) ?? sorted[0];
  return (
    <section aria-labelledby="episodes" className="mt-10">
      <h3 id="episodes" className="font-medium">
        Episodes
      </h3>
      <p className="max-w-[46rem] text-small text-muted">
        Some of the responses of a round, spread over its rewards, as they were before the round’s updates.
      </p>
      {error && <Notice tone="error">{errorText(error)}</Notice>}
      {!data && !error && <Pulse>Reading…</Pulse>}
      {data && data.step === null && (
        <p className="mt-2 text-muted">
          {lastStep > 0 ? "This run keeps none (setting keepEpisodes), or they were erased." : "None yet."}
        </p>
      )}
      {data && data.step !== null && (
        <>
          <div className="mt-3 grid max-w-xl gap-4 sm:grid-cols-2">
            <SelectField
              label="Of step"
              value={step ?? ""}
              onChange={({ target }) => setStep(target.value === "" ? null : Number(target.value))}
            >
              <option value="">newest ({data.steps.at(-1)})</option>
              {data.steps.toReversed().map((each) => (
                <option key={each} value={each}>
                  {each}
                </option>
              ))}
            </SelectField>
            <SelectField
              label="Sorted by"
              value={order}
              onChange={({ target }) => setOrder(target.value as Order)}
            >
              {Object.entries(orders).map(([name, title]) => (
                <option key={name} value={name}>
                  {title}
                </option>
              ))}
            </SelectField>
          </div>
          <div className="mt-4 grid gap-6 lg:grid-cols-[minmax(0,22rem)_minmax(0,1fr)]">
            <ul aria-label={`Episodes of step ${data.step}`} className="max-h-[36rem] overflow-y-auto">
              {sorted.map((episode) => (
                <li key={episode.place}>
                  <EpisodeButton
                    episode={episode}
                    isShown={episode === shown}
                    onChoose={() => setChosen(episode.place)}
                  />
                </li>
              ))}
            </ul>
            {shown && <EpisodeView episode={shown} />}
          </div>
          <p className="mt-3">
            <ExportLinks runId={runId} content="episodes" />
          </p>
        </>
      )}
    </section>
  );
}

type EpisodeButtonProps = { episode: Episode; isShown: boolean; onChoose: () => void };

function EpisodeButton({ episode, isShown, onChoose }: EpisodeButtonProps) {
  const { response, reward, kl, tokens } = episode;
  return (
    <button
      type="button"
      aria-pressed={isShown}
      onClick={onChoose}
      className={classNames(
        "block w-full rounded-md px-2.5 py-2 text-left hover:bg-hover",
        isShown && "bg-selected",
      )}
    >
      <span className="line-clamp-2 text-small">{response === "" ? "(nothing)" : response}</span>
      <span className="block text-small text-muted tabular">
        reward {formatMetric(reward)}, KL {formatMetric(kl)}, {plural(tokens.length, "token", "tokens")}
      </span>
    </button>
  );
}
