/** @file Making an account: by invitation, or freely where sign-up is open; otherwise says why not. */
import type { Metadata } from "next";
import Link from "next/link";
import { redirect } from "next/navigation";
import { buttonClass } from "@/app/_components/button-class";
import { PlainPage } from "@/app/_components/plain-page";
import { readViewer, serverCaller } from "@/app/_lib/server-caller";
import { readLink } from "../_forms/read-link";
import { SignUpForm } from "../_forms/sign-up-form";
import { SpentLinkPage } from "../_forms/spent-link-page";

export const metadata: Metadata = { title: "Make an account" };

type PageProps = { searchParams: Promise<{ token?: string | string[] }> };

const roleNames = { user: "a user", labeler: "a labeler", admin: "an admin" };

export default async function SignUpPage({ searchParams }: PageProps) {
  const { token } = await searchParams;
  if (await readViewer()) redirect("/");
  if (typeof token === "string") {
    const link = await readLink(token, "invite");
    if (!link) return <SpentLinkPage />;
    return (
      <PlainPage title="You are invited">
        <p className="text-muted">
          You will be {roleNames[link.role ?? "user"]} here. Nothing is sent to your address.
        </p>
        <SignUpForm token={token} email={link.email} action="Make the account" />
      </PlainPage>
    );
  }
  const { signUp } = await (await serverCaller()).instance.status();
  if (signUp !== "open") return <NoSignUp isByInvite={signUp === "invite"} />;
  return (
    <PlainPage title="Make an account">
      <SignUpForm token={null} email={null} action="Make the account" />
      <p className="text-small text-muted">
        You have one already?{" "}
        <Link href="/sign-in" className="text-accent underline underline-offset-2">
          Sign in
        </Link>
      </p>
    </PlainPage>
  );
}

function NoSignUp({ isByInvite }: { isByInvite: boolean }) {
  return (
    <PlainPage title={isByInvite ? "By invitation only" : "No new accounts"}>
      <p>
        {isByInvite
          ? "Accounts here are made by invitation. Ask an admin for a link; it opens this page with a form."
          : "The admin of this server takes no new accounts at the moment. Whoever has one can sign in."}
      </p>
      <Link href="/sign-in" className={buttonClass("primary")}>
        Sign in
      </Link>
    </PlainPage>
  );
}
