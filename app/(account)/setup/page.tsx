/** @file The first admin's account, by the one-time link that the terminal shows. */
import type { Metadata } from "next";
import { redirect } from "next/navigation";
import { PlainPage } from "@/app/_components/plain-page";
import { readViewer } from "@/app/_lib/server-caller";
import { readLink } from "../_forms/read-link";
import { SignUpForm } from "../_forms/sign-up-form";
import { SpentLinkPage } from "../_forms/spent-link-page";

export const metadata: Metadata = { title: "Set up" };

type PageProps = { searchParams: Promise<{ token?: string | string[] }> };

export default async function SetupPage({ searchParams }: PageProps) {
  const { token } = await searchParams;
  if (await readViewer()) redirect("/");
  if (typeof token !== "string" || !(await readLink(token, "setup"))) return <SpentLinkPage />;
  return (
    <PlainPage title="Make the first account">
      <p className="text-muted">
        It is the admin’s: it invites people, changes settings and decides which model answers. Everything
        stays on this machine.
      </p>
      <SignUpForm token={token} email={null} action="Make the admin account" />
    </PlainPage>
  );
}
