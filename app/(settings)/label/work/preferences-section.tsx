/** @file How a labeler likes to work. */
"use client";

import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { Notice } from "@/app/_components/notice";
import { Switch } from "@/app/_components/switch";
import type { LabelingStatus } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { Section } from "@/app/(settings)/_frame/section";

type Preferences = { mode: "board" | "guided"; seesSensitive: boolean };
type PreferencesSectionProps = Preferences & { mail: LabelingStatus["mail"] };

export function PreferencesSection({ mail, ...initial }: PreferencesSectionProps) {
  const [preferences, setPreferences] = useState(initial);
  const saving = useMutation(
    useTRPC().labeling.setPreferences.mutationOptions({ onError: () => setPreferences(initial) }),
  );
  const change = (part: Partial<Preferences>) => {
    setPreferences({ ...preferences, ...part });
    saving.mutate(part);
  };
  return (
    <Section title="Preferences">
      <div className="max-w-[38rem] space-y-4">
        <Switch
          label="Guided ranking"
          hint="Two answers at a time, until each has its place; the board is one key away."
          checked={preferences.mode === "guided"}
          onChange={(isGuided) => change({ mode: isGuided ? "guided" : "board" })}
        />
        <Switch
          label="Sensitive text"
          hint="Take tasks with sexual, violent or otherwise hard text. It stays blurred until you open it."
          checked={preferences.seesSensitive}
          onChange={(seesSensitive) => change({ seesSensitive })}
        />
        {mail.isConfigured && <MailSwitch {...mail} />}
        {saving.error && <Notice tone="error">{errorText(saving.error)}</Notice>}
      </div>
    </Section>
  );
}

function MailSwitch({ wantsMail: initial, address }: LabelingStatus["mail"]) {
  const [wantsMail, setWantsMail] = useState(initial);
  const choosing = useMutation(
    useTRPC().labeling.chooseMail.mutationOptions({ onError: () => setWantsMail(initial) }),
  );
  return (
    <>
      <Switch
        label="Mail"
        hint={`To ${address}, when work is given back to you, a question of yours is answered, or your test is decided.`}
        checked={wantsMail}
        onChange={(wanted) => {
          setWantsMail(wanted);
          choosing.mutate({ wantsMail: wanted });
        }}
      />
      {choosing.error && <Notice tone="error">{errorText(choosing.error)}</Notice>}
    </>
  );
}
