CREATE INDEX "conversations_active_leaf" ON "conversations" USING btree ("active_leaf_id");--> statement-breakpoint
CREATE INDEX "feedback_compared_to" ON "feedback" USING btree ("compared_to_id") WHERE "feedback"."compared_to_id" is not null;--> statement-breakpoint
CREATE INDEX "prompts_conversation" ON "prompts" USING btree ("conversation_id") WHERE "prompts"."conversation_id" is not null;--> statement-breakpoint
CREATE INDEX "responses_message" ON "responses" USING btree ("message_id") WHERE "responses"."message_id" is not null;