/** @file `attune user list|create|reset-password`: accounts, for whoever sits at the machine. */
import { type Command, Option } from "commander";
import { z } from "zod";
import { roles } from "@/server/permissions";
import { control } from "./control";

const link = z.object({ url: z.string(), expiresAt: z.coerce.date() });
const people = z.object({
  people: z.array(
    z.object({ name: z.string(), email: z.string(), role: z.enum(roles), isDisabled: z.boolean() }),
  ),
  total: z.number(),
});

export function addUserCommands(program: Command): void {
  const user = program.command("user").description("accounts");
  user
    .command("list")
    .description("who has an account")
    .argument("[search]", "part of a name or an address")
    .action((search?: string) => list(search ?? ""));
  user
    .command("create")
    .description("make an account; prints a one-time link to choose its password")
    .argument("<email>")
    .option("--name <name>", "shown to others (default: the part before the @)")
    .addOption(new Option("--role <role>").choices(roles).default("user"))
    .action((email: string, { name, role }: { name?: string; role: (typeof roles)[number] }) =>
      create(email, name ?? email.split("@")[0] ?? email, role),
    );
  user
    .command("reset-password")
    .description("print a one-time link that sets a new password")
    .argument("<email>")
    .action(resetPassword);
}

async function list(search: string): Promise<void> {
  const { people: found, total } = await control({ command: "listUsers", search }, people);
  for (const { email, name, role, isDisabled } of found) {
    console.log(`${email} · ${name} · ${role}${isDisabled ? " · disabled" : ""}`);
  }
  console.log(`${total} ${total === 1 ? "account" : "accounts"}`);
}

async function create(email: string, name: string, role: (typeof roles)[number]): Promise<void> {
  const { url, expiresAt } = await control({ command: "createUser", email, name, role }, link);
  console.log(
    `${email} is ${role === "admin" ? "an admin" : `a ${role}`} now. To choose a password (works once):`,
  );
  console.log(`  ${url}\nValid until ${expiresAt.toLocaleString()}.`);
}

async function resetPassword(email: string): Promise<void> {
  const { url, expiresAt } = await control({ command: "resetPassword", email }, link);
  console.log(`To choose a new password (works once, ends all sessions of the account):`);
  console.log(`  ${url}\nValid until ${expiresAt.toLocaleString()}. The server must be running.`);
}
