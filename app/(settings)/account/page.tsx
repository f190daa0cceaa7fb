/** @file One's own account: profile, password, sessions, consent, feedback, histories, API keys, data. */
import type { Metadata } from "next";
import { requirePermission } from "@/app/_lib/server-caller";
import { PageTitle } from "../_frame/section";
import { ApiKeysSection } from "./api-keys-section";
import { ConsentSection } from "./consent-section";
import { DataSection } from "./data-section";
import { FeedbackSection } from "./feedback-section";
import { HistorySection } from "./history-section";
import { PasswordSection } from "./password-section";
import { ProfileSection } from "./profile-section";
import { SessionsSection } from "./sessions-section";

export const metadata: Metadata = { title: "Account" };

export default async function AccountPage() {
  const caller = await requirePermission("account.own");
  const [profile, sessions, keys, consentEvents, journey, imports] = await Promise.all([
    caller.account.profile(),
    caller.account.sessions(),
    caller.account.apiKeys(),
    caller.account.consentHistory(),
    caller.account.feedbackJourney({}),
    caller.account.imports(),
  ]);
  return (
    <>
      <PageTitle>Account</PageTitle>
      <ProfileSection profile={profile} />
      <ConsentSection profile={profile} events={consentEvents} />
      <FeedbackSection firstPage={journey} />
      <HistorySection initialState={imports} />
      {profile.hasPassword && <PasswordSection />}
      <SessionsSection initialSessions={sessions} />
      <ApiKeysSection initialKeys={keys} />
      <DataSection profile={profile} />
    </>
  );
}
