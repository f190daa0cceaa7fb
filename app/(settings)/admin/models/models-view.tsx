/** @file What answers here and what could: channels, the engines behind them, and all checkpoints on this machine. */
"use client";

import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { type Column, DataTable } from "@/app/_components/data-table";
import { MeaningBadge } from "@/app/_components/meaning-badge";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import type { Channel, Checkpoint, Engine } from "@/app/_lib/api-types";
import { formatBytes, formatParameters, plural } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";
import { PageTitle, Section } from "../../_frame/section";
import { CheckpointsSection } from "./checkpoints-section";

type ModelsViewProps = { channels: Channel[]; checkpoints: Checkpoint[]; engines: Engine[] };

export function ModelsView(initial: ModelsViewProps) {
  const trpc = useTRPC();
  const refetchInterval = 5_000;
  const channels = useQuery(
    trpc.models.channels.queryOptions(undefined, { initialData: initial.channels, refetchInterval }),
  ).data;
  const checkpoints = useQuery(
    trpc.models.checkpoints.queryOptions(undefined, { initialData: initial.checkpoints }),
  ).data;
  const engines = useQuery(
    trpc.models.engines.queryOptions(undefined, { initialData: initial.engines, refetchInterval }),
  ).data;

  return (
    <>
      <PageTitle>Models</PageTitle>
      <Section
        title="Channels"
        text={
          <>
            A channel is the name under which people meet a policy. “live” answers every chat but those that a
            canary takes; what answers is decided under{" "}
            <Link href="/admin/promotion" className="underline decoration-line underline-offset-2">
              Promotion
            </Link>
            .
          </>
        }
      >
        <DataTable
          caption="Channels"
          columns={channelColumns(engines)}
          rows={channels}
          rowKey={(channel) => channel.name}
        />
        {channels.map(
          ({ name, problem }) =>
            problem && (
              <Notice key={name} tone="warning" className="mt-2">
                {name}: {problem}
              </Notice>
            ),
        )}
      </Section>
      <Section
        title="Engines"
        text="One process per loaded checkpoint. A crash restarts it; chats wait meanwhile."
      >
        {engines.length === 0 ? (
          <p className="text-muted">No engine is loaded. The next question loads the live policy.</p>
        ) : (
          <DataTable
            caption="Engines"
            columns={engineColumns}
            rows={engines}
            rowKey={(engine) => engine.checkpointId}
          />
        )}
      </Section>
      <Section
        title="Checkpoints"
        text={
          <>
            What this machine holds, each under the one it was trained from. Fetch another with{" "}
            <code className="font-mono">npx attune models pull &lt;hub id, folder or GGUF file&gt;</code>.
          </>
        }
      >
        <CheckpointsSection checkpoints={checkpoints} />
      </Section>
    </>
  );
}

const states: Record<Channel["state"], string> = {
  ready: "answering",
  loading: "loading",
  restarting: "restarting",
  failed: "cannot answer",
  closed: "closing",
  idle: "loads when asked",
};

function channelColumns(engines: Engine[]): Column<Channel>[] {
  const engineOf = ({ checkpoint }: Channel) =>
    engines.find(({ checkpointId }) => checkpointId === checkpoint.id);
  return [
    {
      title: "Channel",
      cell: ({ name }) => (
        <MeaningBadge meaning={name === "live" ? "live" : "candidate"}>{name}</MeaningBadge>
      ),
    },
    { title: "Checkpoint", cell: ({ checkpoint, isToy }) => `${checkpoint.name}${isToy ? " (toy)" : ""}` },
    { title: "State", cell: ({ state }) => states[state] },
    {
      title: "Parameters",
      isNumber: true,
      cell: (channel) => {
        const info = engineOf(channel)?.info;
        return info ? formatParameters(info.parameters) : "–";
      },
    },
    { title: "Precision", cell: (channel) => engineOf(channel)?.info?.precision ?? "–" },
    {
      title: "Context",
      isNumber: true,
      cell: (channel) => {
        const info = engineOf(channel)?.info;
        return info ? plural(info.contextLength, "token", "tokens") : "–";
      },
    },
    {
      title: "Share",
      isNumber: true,
      cell: ({ name, trafficShare }) => (name === "live" ? "the rest" : `${trafficShare} %`),
    },
    { title: "Since", cell: ({ changedAt }) => <Moment at={changedAt} /> },
  ];
}

const engineColumns: Column<Engine>[] = [
  { title: "Checkpoint", cell: ({ name, checkpointId }) => name ?? checkpointId.slice(0, 12) },
  { title: "State", cell: ({ state }) => states[state] },
  { title: "Answering", isNumber: true, cell: ({ running }) => running },
  { title: "Waiting", isNumber: true, cell: ({ waiting }) => waiting },
  { title: "Restarts", isNumber: true, cell: ({ restarts }) => restarts },
  { title: "Memory", isNumber: true, cell: ({ rssBytes }) => (rssBytes ? formatBytes(rssBytes) : "–") },
];
