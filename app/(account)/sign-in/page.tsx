/** @file Signing in, and what to do without an account or password. */
import type { Metadata } from "next";
import Link from "next/link";
import { redirect } from "next/navigation";
import type { ReactNode } from "react";
import { Notice } from "@/app/_components/notice";
import { PlainPage } from "@/app/_components/plain-page";
import { parseNextPath } from "@/app/_lib/next-path";
import { readViewer, serverCaller } from "@/app/_lib/server-caller";
import { SignInForm } from "../_forms/sign-in-form";

export const metadata: Metadata = { title: "Sign in" };

type PageProps = { searchParams: Promise<{ next?: string | string[]; told?: string | string[] }> };

const newAccounts: Record<"open" | "invite" | "closed", ReactNode> = {
  open: (
    <>
      New here?{" "}
      <Link href="/sign-up" className="text-accent underline underline-offset-2">
        Make an account
      </Link>
    </>
  ),
  invite: "New here? Accounts are made by invitation: ask an admin for a link.",
  closed: "No new accounts are made at the moment.",
};

export default async function SignInPage({ searchParams }: PageProps) {
  const { next, told } = await searchParams;
  const nextPath = parseNextPath(next);
  if (await readViewer()) redirect(nextPath);
  const { instanceName, signUp, needsSetup } = await (await serverCaller()).instance.status();

  return (
    <PlainPage title={`Sign in to ${instanceName}`}>
      {needsSetup && (
        <Notice>
          Nobody is admin yet. The terminal that runs <code className="font-mono">npm start</code> shows a
          set-up link that works once: open it to make the first account.
        </Notice>
      )}
      {told === "password-changed" && <Notice>The password is changed. Sign in with it.</Notice>}
      {told === "account-deleted" && <Notice>The account and everything in it is deleted.</Notice>}
      <SignInForm nextPath={nextPath} />
      <div className="space-y-1 text-small text-muted">
        {!needsSetup && <p>{newAccounts[signUp]}</p>}
        <p>Password forgotten? An admin can give you a link that sets a new one.</p>
      </div>
    </PlainPage>
  );
}
