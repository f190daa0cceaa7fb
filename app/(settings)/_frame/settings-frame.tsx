/** @file The frame of the pages beside the chat: the way back, the other pages one may open, and the page itself. */
"use client";

import Link from "next/link";
import { usePathname } from "next/navigation";
import { type ReactNode, useEffect, useRef } from "react";
import { buttonClass } from "@/app/_components/button-class";
import { classNames } from "@/app/_components/class-names";
import { Icon, type IconName } from "@/app/_components/icon";
import { pagesFor } from "@/app/_lib/pages";
import type { Viewer } from "@/app/_lib/viewer";
import { ViewerProvider } from "@/app/_lib/viewer-context";
import { UnreadCount } from "./unread-count";
import { WaitingCount } from "./waiting-count";

export function SettingsFrame({ viewer, children }: { viewer: Viewer; children: ReactNode }) {
  const path = usePathname();
  const groups = pagesFor(viewer.permissions);
  const links = useRef<HTMLDivElement>(null);
  // On a phone the links are one row, wider than the screen.
  // biome-ignore lint/correctness/useExhaustiveDependencies: `path` decides which link is the current one
  useEffect(() => {
    const row = links.current;
    const current = row?.querySelector<HTMLElement>("[aria-current]");
    if (row && current) row.scrollLeft = current.offsetLeft - row.offsetLeft - 16;
  }, [path]);
  return (
    <div className="mx-auto flex min-h-dvh w-full max-w-7xl flex-col px-4 py-4 md:flex-row md:gap-10 md:py-8">
      <nav aria-label="Pages" className="shrink-0 md:w-44">
        <Link href="/" className={classNames(buttonClass("quiet", true), "-ml-2.5 text-muted")}>
          <Icon name="chevronLeft" size={16} />
          Conversations
        </Link>
        {groups.flatMap(({ pages }) => pages).length > 1 && (
          <div ref={links} className="mt-3 flex gap-1 overflow-x-auto md:flex-col md:gap-4">
            {groups.map(({ title, pages }) => (
              <PageGroup key={title} title={title}>
                {pages.map((page) => (
                  <PageLink key={page.href} {...page} />
                ))}
              </PageGroup>
            ))}
          </div>
        )}
      </nav>
      <main className="min-w-0 grow pt-6 pb-24 md:pt-1">
        <ViewerProvider viewer={viewer}>{children}</ViewerProvider>
      </main>
    </div>
  );
}

function PageGroup({ title, children }: { title: string; children: ReactNode }) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a part of the navigation, not of a form
    <div role="group" aria-label={title || "Own"} className="flex shrink-0 gap-1 md:flex-col">
      {title && (
        <p aria-hidden="true" className="px-2.5 text-small text-muted max-md:hidden">
          {title}
        </p>
      )}
      {children}
    </div>
  );
}

function PageLink({ href, title, icon }: { href: string; title: string; icon: IconName }) {
  const path = usePathname();
  const isHere = path === href || path.startsWith(`${href}/`);
  return (
    <Link
      href={href}
      // Pages are made on request: fetching all twenty ahead would keep the server busy while this one comes alive.
      prefetch={false}
      aria-current={path === href ? "page" : isHere ? "true" : undefined}
      className={classNames(
        "flex min-h-9 shrink-0 items-center gap-2.5 rounded-md px-2.5",
        isHere ? "bg-selected font-medium" : "hover:bg-hover",
      )}
    >
      <Icon name={icon} size={16} />
      {title}
      {href === "/admin/notifications" && <UnreadCount />}
      {href === "/admin/questions" && <WaitingCount />}
    </Link>
  );
}
