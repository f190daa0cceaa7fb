/** @file The foot of the list: a labeler's way to work, who is signed in, consent, and the way to everything else. */
"use client";

import Link from "next/link";
import { type ReactNode, useState } from "react";
import { Icon, type IconName } from "@/app/_components/icon";
import { Popover } from "@/app/_components/popover";
import { SignOutButton } from "@/app/_components/sign-out-button";
import { ThemeChoice } from "@/app/_components/theme-choice";
import { pagesFor } from "@/app/_lib/pages";
import { useViewer } from "@/app/_lib/viewer-context";

const rowClass = "flex min-h-9 w-full items-center gap-2.5 rounded-md px-2 text-left hover:bg-hover";

export function PersonPanel({ onShowShortcuts }: { onShowShortcuts: () => void }) {
  const viewer = useViewer();
  const [isOpen, setIsOpen] = useState(false);
  return (
    <div className="p-2">
      {viewer.permissions.includes("labeling.work") && (
        <PanelLink href="/label" icon="rank">
          Label
        </PanelLink>
      )}
      <Popover
        label="Account and settings"
        open={isOpen}
        onOpenChange={setIsOpen}
        trigger={
          <button
            type="button"
            className="flex w-full items-center gap-2.5 rounded-md px-2 py-1.5 text-left hover:bg-hover data-[state=open]:bg-hover"
          >
            <span
              aria-hidden="true"
              className="flex size-8 shrink-0 items-center justify-center rounded-full bg-selected text-muted"
            >
              <Icon name="user" />
            </span>
            <span className="min-w-0">
              <span className="block truncate font-medium">{viewer.name}</span>
              <span className="block truncate text-small text-muted">
                {viewer.consent ? "Chats may improve the assistant" : "Chats are not used"}
              </span>
            </span>
          </button>
        }
      >
        <nav aria-label="Account and settings" className="-m-2 space-y-0.5">
          {pagesFor(viewer.permissions).map((group) => (
            <PageGroup key={group.title} title={group.title}>
              {group.pages.map(({ href, title, icon }) => (
                <PanelLink key={href} href={href} icon={icon}>
                  {title}
                </PanelLink>
              ))}
            </PageGroup>
          ))}
          <button
            type="button"
            className={rowClass}
            onClick={() => {
              setIsOpen(false);
              onShowShortcuts();
            }}
          >
            <Icon name="keyboard" size={16} />
            Keys on this page
          </button>
          <div className="px-2 py-1.5">
            <ThemeChoice />
          </div>
          <SignOutButton className={rowClass} />
        </nav>
      </Popover>
    </div>
  );
}

function PanelLink({ href, icon, children }: { href: string; icon: IconName; children: string }) {
  return (
    <Link href={href} className={rowClass}>
      <Icon name={icon} size={16} />
      {children}
    </Link>
  );
}

function PageGroup({ title, children }: { title: string; children: ReactNode }) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a part of the navigation, not of a form
    <div role="group" aria-label={title || "Own"}>
      {title && (
        <p aria-hidden="true" className="mt-1 px-2 text-small text-muted">
          {title}
        </p>
      )}
      {children}
    </div>
  );
}
