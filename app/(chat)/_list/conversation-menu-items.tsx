/** @file What can be done with a conversation: the same menu in the list and above the conversation. */
import { MenuItem, MenuSeparator } from "@/app/_components/menu";
import type { ConversationSummary } from "@/app/_lib/api-types";
import type { ConversationActions } from "./use-conversation-actions";

type ConversationMenuItemsProps = {
  conversation: ConversationSummary;
  actions: ConversationActions;
  onRename: () => void;
};

export function ConversationMenuItems({ conversation, actions, onRename }: ConversationMenuItemsProps) {
  const { id, isPinned, isArchived } = conversation;
  return (
    <>
      <MenuItem icon="edit" onSelect={onRename}>
        Rename
      </MenuItem>
      {!isArchived && (
        <MenuItem icon="pin" onSelect={() => actions.change(id, { isPinned: !isPinned })}>
          {isPinned ? "Unpin" : "Pin"}
        </MenuItem>
      )}
      <MenuItem icon="archive" onSelect={() => actions.archive(conversation)}>
        {isArchived ? "Move back to the list" : "Archive"}
      </MenuItem>
      <MenuItem icon="download" onSelect={() => void actions.download(id, "markdown")}>
        Export as Markdown
      </MenuItem>
      <MenuItem icon="download" onSelect={() => void actions.download(id, "json")}>
        Export as JSON
      </MenuItem>
      <MenuSeparator />
      <MenuItem icon="trash" danger onSelect={() => actions.remove(conversation)}>
        Delete
      </MenuItem>
    </>
  );
}
