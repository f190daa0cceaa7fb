/** @file A new password, by the one-time link an admin gave. */
import type { Metadata } from "next";
import { PlainPage } from "@/app/_components/plain-page";
import { readLink } from "../_forms/read-link";
import { ResetForm } from "../_forms/reset-form";
import { SpentLinkPage } from "../_forms/spent-link-page";

export const metadata: Metadata = { title: "New password" };

type PageProps = { searchParams: Promise<{ token?: string | string[] }> };

export default async function ResetPasswordPage({ searchParams }: PageProps) {
  const { token } = await searchParams;
  if (typeof token !== "string" || !(await readLink(token, "reset"))) return <SpentLinkPage />;
  return (
    <PlainPage title="Choose a new password">
      <p className="text-muted">You will be signed out everywhere, then sign in with the new one.</p>
      <ResetForm token={token} />
    </PlainPage>
  );
}
