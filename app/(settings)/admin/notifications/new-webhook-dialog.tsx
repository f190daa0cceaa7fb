/** @file Adds a webhook: an address, what it is told of, and the secret it checks signatures with, shown once. */
"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { Dialog } from "@/app/_components/dialog";
import { TextField } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import { ShownOnce } from "@/app/_components/shown-once";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { allKinds, type Kind, kindNames } from "./kind-names";

export function NewWebhookDialog({ onClose }: { onClose: () => void }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const [url, setUrl] = useState("");
  const [events, setEvents] = useState<Kind[]>(allKinds);
  const creating = useMutation(
    trpc.notifications.createWebhook.mutationOptions({
      onSuccess: () => queries.invalidateQueries({ queryKey: trpc.notifications.webhooks.pathKey() }),
    }),
  );
  return (
    <Dialog open onOpenChange={(open) => !open && onClose()} title="Add a webhook" wide>
      {creating.data ? (
        <ShownOnce
          label="Secret"
          secret={creating.data.secret}
          note="Each request carries x-attune-signature: sha256= and the HMAC of timestamp, a full stop, and the body, in hex."
          onDone={onClose}
        />
      ) : (
        <form
          className="space-y-4"
          onSubmit={(event) => {
            event.preventDefault();
            creating.mutate({ url, events });
          }}
        >
          <TextField
            label="Address"
            type="url"
            placeholder="https://"
            required
            maxLength={2000}
            value={url}
            onChange={({ target }) => setUrl(target.value)}
          />
          <fieldset className="space-y-1">
            <legend className="font-medium">Told of</legend>
            {allKinds.map((kind) => (
              <label key={kind} className="flex items-center gap-2.5 py-1">
                <input
                  type="checkbox"
                  checked={events.includes(kind)}
                  onChange={({ target }) =>
                    setEvents(target.checked ? [...events, kind] : events.filter((other) => other !== kind))
                  }
                />
                {kindNames[kind]}
              </label>
            ))}
          </fieldset>
          {creating.error && <Notice tone="error">{errorText(creating.error)}</Notice>}
          <Button type="submit" look="primary" busy={creating.isPending} disabled={events.length === 0}>
            Add it
          </Button>
        </form>
      )}
    </Dialog>
  );
}
