"""Who bills, under one name each: OpenTelemetry's where it has one, else the provider's own."""

from __future__ import annotations

CANONICAL = {
    "amazon": "aws.bedrock",
    "amazon-bedrock": "aws.bedrock",
    "amazon_bedrock": "aws.bedrock",
    "aws": "aws.bedrock",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "bedrock_mantle": "aws.bedrock",
    "az.ai.inference": "azure.ai.openai",
    "az.ai.openai": "azure.ai.openai",
    "azure": "azure.ai.openai",
    "azure-openai": "azure.ai.openai",
    "azure.ai.inference": "azure.ai.openai",
    "azure_ai": "azure.ai.openai",
    "azure_openai": "azure.ai.openai",
    "azure_text": "azure.ai.openai",
    "codestral": "mistral_ai",
    "cohere_chat": "cohere",
    "fireworks-ai": "fireworks",
    "fireworks_ai": "fireworks",
    "fireworks_ai-embedding-models": "fireworks",
    "gcp.gen_ai": "gcp.gemini",
    "gemini": "gcp.gemini",
    "github": "github-copilot",
    "github_copilot": "github-copilot",
    "google": "gcp.gemini",
    "google-vertex": "gcp.vertex_ai",
    "google-vertex-anthropic": "gcp.vertex_ai",
    "google.generative-ai": "gcp.gemini",
    "google.vertex": "gcp.vertex_ai",
    "google_ai_studio": "gcp.gemini",
    "google_genai": "gcp.gemini",
    "google_vertexai": "gcp.vertex_ai",
    "meta_llama": "meta",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "moonshot": "moonshotai",
    "text-completion-codestral": "mistral_ai",
    "text-completion-openai": "openai",
    "together-ai": "together",
    "together_ai": "together",
    "togetherai": "together",
    "vertex": "gcp.vertex_ai",
    "vertex-ai": "gcp.vertex_ai",
    "vertex_ai": "gcp.vertex_ai",
    "vertexai": "gcp.vertex_ai",
    "voyage": "voyageai",
    "watsonx": "ibm.watsonx.ai",
    "x-ai": "x_ai",
    "xai": "x_ai",
    "z-ai": "zai",
}
"""Other spellings of a provider, lower case -> the name our tables use."""

FIRST_PARTY = frozenset(
    {
        "anthropic",
        "cohere",
        "deepseek",
        "gcp.gemini",
        "mistral_ai",
        "moonshotai",
        "openai",
        "perplexity",
        "voyageai",
        "x_ai",
        "zai",
    }
)
"""Providers that sell their own models: a model name without a provider can only mean one of these."""

MAKERS = {"claude": "anthropic", "command": "cohere", "gemini": "gcp.gemini", "gpt": "openai", "grok": "x_ai"}
"""First word of a model's name -> who makes it, and so whose it is where nobody says who served it and several sell it."""

GATEWAYS = frozenset({"cloudflare_ai_gateway", "helicone", "kong", "langfuse", "litellm", "portkey", "vercel"})
"""Routers that log themselves as the provider and put the real one before a slash in the model name."""


def canonical(name: str | None) -> str | None:
    """The provider's name in our tables.

    >>> canonical("Google"), canonical("vertex_ai-anthropic_models"), canonical("groq"), canonical(None)
    ('gcp.gemini', 'gcp.vertex_ai', 'groq', None)
    """
    if not name or not name.strip():
        return None
    lower = name.strip().lower()
    if lower.startswith("vertex_ai-"):
        return "gcp.vertex_ai"
    return CANONICAL.get(lower, lower)
