/** @file What hostile markdown becomes on the page. */
import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, test } from "vitest";
import { MarkdownDocument } from "@/app/_components/markdown-document";
import { TooltipProvider } from "@/app/_components/tooltip";

const render = (text: string, isStreaming = false) =>
  renderToStaticMarkup(
    <TooltipProvider>
      <MarkdownDocument text={text} isStreaming={isStreaming} />
    </TooltipProvider>,
  );

describe("markdown", () => {
  test("shows raw HTML as text", () => {
    const html = render(
      '<script>alert(1)</script>\n\n<b onclick="x()">bold</b> <img src=x onerror=alert(1)>',
    );
    expect(html).not.toMatch(/<script|<b |<img/);
    expect(html).toContain("&lt;script&gt;");
  });

  test("loads no image: it is named and linked instead", () => {
    const html = render("![a cat](https://elsewhere.test/cat.png)");
    expect(html).not.toContain("<img");
    expect(html).toContain("[image: a cat]");
  });

  test("links to http(s) and mailto only, carrying nothing along", () => {
    const html = render("[a](javascript:alert(1)) [b](https://b.test/) [c](/admin)");
    expect(html.match(/href="[^"]*"/g)).toEqual(['href="https://b.test/"']);
    expect(html).toContain('rel="noopener noreferrer nofollow"');
  });

  test.each([false, true])(
    "carries no inline style, which the security policy refuses (streaming: %s)",
    (s) => {
      const html = render("| a | b |\n|--:|:-:|\n| 1 | 2 |\n\n```js\nlet a = 1;\n```\n\n- [ ] todo", s);
      expect(html).not.toContain("style=");
      expect(html).toContain('class="text-right"');
    },
  );

  test("keeps the language of code and its text", () => {
    const html = render("```python\nprint('<hi>')\n```");
    expect(html).toContain("python");
    expect(html).toContain("print(&#x27;&lt;hi&gt;&#x27;)");
  });
});
