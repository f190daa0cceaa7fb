/** @file A menu of actions behind one button. */
"use client";

import Link from "next/link";
import { DropdownMenu } from "radix-ui";
import type { ReactNode } from "react";
import { classNames } from "./class-names";
import { Icon, type IconName } from "./icon";

type MenuProps = {
  /** The button that opens it; must take a ref and props. */
  trigger: ReactNode;
  children: ReactNode;
  align?: "start" | "end";
};

export function Menu({ trigger, children, align = "end" }: MenuProps) {
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger asChild>{trigger}</DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content
          align={align}
          sideOffset={4}
          collisionPadding={8}
          className="z-50 min-w-44 rounded-lg border border-line bg-raised p-1 shadow-float animate-appear"
        >
          {children}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

const itemClass =
  "flex min-h-9 w-full cursor-default items-center gap-2.5 rounded-md px-2.5 outline-none select-none data-[highlighted]:bg-hover data-[disabled]:opacity-50";

type MenuItemProps = { icon?: IconName; danger?: boolean; onSelect: () => void; children: ReactNode };

export function MenuItem({ icon, danger, onSelect, children }: MenuItemProps) {
  return (
    <DropdownMenu.Item onSelect={onSelect} className={classNames(itemClass, danger && "text-danger")}>
      {icon && <Icon name={icon} size={16} />}
      {children}
    </DropdownMenu.Item>
  );
}

type MenuLinkProps = { icon?: IconName; href: string; children: ReactNode };

/** A menu item that leads to a page of its own. */
export function MenuLink({ icon, href, children }: MenuLinkProps) {
  return (
    <DropdownMenu.Item asChild className={itemClass}>
      <Link href={href}>
        {icon && <Icon name={icon} size={16} />}
        {children}
      </Link>
    </DropdownMenu.Item>
  );
}

export function MenuSeparator() {
  return <DropdownMenu.Separator className="my-1 h-px bg-line" />;
}
