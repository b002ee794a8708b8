// Sends a mail with an attachment through relay365 and waits until Exchange has taken it. Needs .NET 8 or newer.
//
//     RELAY365_URL=http://localhost:3000 RELAY365_KEY=... dotnet run -- TO FILE
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net.Http;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Threading.Tasks;

public static class Send
{
    private static readonly string[] Final = { "sent", "failed", "expired", "canceled" };
    private static readonly TimeSpan WaitAtMost = TimeSpan.FromSeconds(30);
    private static readonly HttpClient Client = new HttpClient { Timeout = TimeSpan.FromSeconds(30) };

    public static async Task<int> Main(string[] args)
    {
        try
        {
            await Run(args);
            return 0;
        }
        catch (Exception error)
        {
            Console.Error.WriteLine(error.Message);
            return 1;
        }
    }

    private static async Task Run(string[] args)
    {
        if (args.Length != 2) throw new ArgumentException("usage: send TO FILE");
        var id = await Post(args[0], args[1]);
        Console.WriteLine("accepted: " + id);
        var message = await Wait(id);
        var status = message.GetProperty("status").GetString();
        Console.WriteLine(status);
        if (status != "sent") throw new Exception(LastExplanation(message));
    }

    private static async Task<string> Post(string to, string file)
    {
        var accepted = await Call(HttpMethod.Post, "/send", new
        {
            to,
            subject = "Invoice 4711 – Müller GmbH",
            text = "The invoice is attached.",
            attachments = new[] { new { filename = Path.GetFileName(file), content = Convert.ToBase64String(File.ReadAllBytes(file)) } },
        });
        return accepted.GetProperty("id").GetString()!;
    }

    /// <summary>The message once it is final, or as it is when the time is up.</summary>
    private static async Task<JsonElement> Wait(string id)
    {
        var deadline = DateTime.UtcNow + WaitAtMost;
        while (true)
        {
            var message = await Call(HttpMethod.Get, "/messages/" + id, null);
            if (Final.Contains(message.GetProperty("status").GetString()) || DateTime.UtcNow > deadline) return message;
            await Task.Delay(TimeSpan.FromSeconds(1));
        }
    }

    /// <summary>The answer's JSON.</summary>
    /// <exception cref="HttpRequestException">A refusal; it names each field that is wrong.</exception>
    private static async Task<JsonElement> Call(HttpMethod method, string path, object? body)
    {
        var url = Environment.GetEnvironmentVariable("RELAY365_URL") ?? "http://localhost:3000";
        var key = Environment.GetEnvironmentVariable("RELAY365_KEY");
        using var request = new HttpRequestMessage(method, url + path);
        if (key != null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        if (body != null) request.Content = new StringContent(JsonSerializer.Serialize(body), Encoding.UTF8, "application/json");
        using var response = await Client.SendAsync(request);
        var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement;
        if (!response.IsSuccessStatusCode) throw new HttpRequestException(Describe((int)response.StatusCode, json));
        return json;
    }

    /// <summary>A problem (RFC 9457) as lines for a person.</summary>
    private static string Describe(int code, JsonElement problem)
    {
        var detail = problem.TryGetProperty("detail", out var text) ? text.GetString() : "";
        var lines = new List<string> { $"{code} {problem.GetProperty("title").GetString()}: {detail}" };
        if (problem.TryGetProperty("errors", out var errors))
        {
            lines.AddRange(errors.EnumerateArray().Select(error => $"  {error.GetProperty("field")}: {error.GetProperty("message")}"));
        }
        return string.Join(Environment.NewLine, lines);
    }

    private static string LastExplanation(JsonElement message)
    {
        var attempts = message.GetProperty("attempts").EnumerateArray().ToList();
        return attempts.Count == 0 ? "relay365 goes on trying." : attempts[attempts.Count - 1].GetProperty("explanation").GetString()!;
    }
}
