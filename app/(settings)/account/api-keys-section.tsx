/** @file Keys for programs: made with a name, shown once, revoked here. */
"use client";

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { type Column, DataTable } from "@/app/_components/data-table";
import { Dialog } from "@/app/_components/dialog";
import { TextField } from "@/app/_components/field";
import { Moment, useIsHydrated } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import { ShownOnce } from "@/app/_components/shown-once";
import { Switch } from "@/app/_components/switch";
import { useToast } from "@/app/_components/toast";
import type { ApiKey } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { Section } from "../_frame/section";

export function ApiKeysSection({ initialKeys }: { initialKeys: ApiKey[] }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const toast = useToast();
  const keys = useQuery(trpc.account.apiKeys.queryOptions(undefined, { initialData: initialKeys })).data;
  const [isMaking, setIsMaking] = useState(false);
  const [revoked, setRevoked] = useState<ApiKey | null>(null);
  const refresh = () => queries.invalidateQueries({ queryKey: trpc.account.apiKeys.queryKey() });
  const revoking = useMutation(
    trpc.account.revokeApiKey.mutationOptions({
      onSuccess: async () => {
        setRevoked(null);
        toast({ text: "Key revoked. Programs that use it are refused from now on." });
        await refresh();
      },
      onError: (error) => toast({ text: errorText(error), isError: true }),
    }),
  );

  const columns: Column<ApiKey>[] = [
    { title: "Name", cell: ({ name }) => name },
    { title: "Key", cell: ({ suffix }) => <code className="font-mono">…{suffix}</code> },
    { title: "Traffic", cell: ({ consent }) => (consent ? "may be used" : "not used") },
    {
      title: "Last used",
      cell: ({ lastUsedAt }) => (lastUsedAt ? <Moment at={lastUsedAt} /> : "never"),
    },
    {
      title: "Action",
      isTitleHidden: true,
      cell: (key) =>
        key.revokedAt ? (
          <span className="text-muted">
            revoked <Moment at={key.revokedAt} withTime={false} />
          </span>
        ) : (
          <Button small onClick={() => setRevoked(key)}>
            Revoke
          </Button>
        ),
    },
  ];

  return (
    <Section
      title="API keys"
      text={
        <>
          For programs that speak the OpenAI protocol: base URL <Origin />, and a key of yours.
        </>
      }
    >
      {keys.length > 0 && (
        <DataTable caption="API keys" columns={columns} rows={keys} rowKey={({ id }) => id} />
      )}
      <Button className="mt-3" onClick={() => setIsMaking(true)}>
        Make a key
      </Button>
      {isMaking && <NewKeyDialog onMade={refresh} onClose={() => setIsMaking(false)} />}
      <Dialog
        open={revoked !== null}
        onOpenChange={(open) => !open && setRevoked(null)}
        title={`Revoke “${revoked?.name}”?`}
        description="Programs that use it stop working at once. A revoked key cannot be taken back into use."
      >
        <Button
          look="danger"
          busy={revoking.isPending}
          onClick={() => revoked && revoking.mutate({ apiKeyId: revoked.id })}
        >
          Revoke the key
        </Button>
      </Dialog>
    </Section>
  );
}

function Origin() {
  const isHydrated = useIsHydrated();
  return <code className="font-mono">{isHydrated ? `${location.origin}/api/v1` : "/api/v1"}</code>;
}

function NewKeyDialog({ onMade, onClose }: { onMade: () => Promise<void>; onClose: () => void }) {
  const trpc = useTRPC();
  const [name, setName] = useState("");
  const [consent, setConsent] = useState(false);
  const making = useMutation(trpc.account.createApiKey.mutationOptions({ onSuccess: onMade }));
  return (
    <Dialog open onOpenChange={(open) => !open && onClose()} title="Make a key">
      {making.data ? (
        <ShownOnce label="The key" secret={making.data.key} onDone={onClose} />
      ) : (
        <form
          className="space-y-4"
          onSubmit={(event) => {
            event.preventDefault();
            making.mutate({ name, consent });
          }}
        >
          <TextField
            label="Name"
            hint="What it is for, to tell keys apart."
            required
            maxLength={100}
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
          <Switch
            label="Its traffic may be used to improve the assistant"
            hint="Off keeps what programs send with this key out of all training."
            checked={consent}
            onChange={setConsent}
          />
          {making.error && <Notice tone="error">{errorText(making.error)}</Notice>}
          <Button type="submit" look="primary" busy={making.isPending}>
            Make the key
          </Button>
        </form>
      )}
    </Dialog>
  );
}
