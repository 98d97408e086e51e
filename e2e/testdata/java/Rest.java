import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Makes a few REST calls with java.net.http. Prints a line of JSON for each: {"step", "result"} or {"step", "fault"}.
 *
 * Arguments: base URL, client, secret. A proxy and an authority come from the properties https.proxyHost and
 * javax.net.ssl.trustStore; the default ProxySelector reads the first.
 */
public class Rest {
    static HttpClient http = HttpClient.newHttpClient();
    static String base, token = "";

    public static void main(String[] args) throws Exception {
        base = args[0];
        token = field(send(get("/identity/oauth/token?grant_type=client_credentials&client_id=" + args[1] + "&client_secret=" + args[2])),
                "access_token");

        call("leads", get("/rest/v1/leads.json?filterType=email&filterValues=" + URLEncoder.encode("rufus@marketo.com", StandardCharsets.UTF_8)));
        call("fault", get("/rest/v1/stats/usage.json"));
        call("partial", to("/rest/v1/leads.json").header("Content-Type", "application/json").POST(BodyPublishers.ofString(
                "{\"action\":\"createOnly\",\"lookupField\":\"email\",\"input\":[{\"email\":\"rufus@marketo.com\"}]}")));
        call("reset", get("/rest/v1/campaigns.json"));
    }

    static HttpRequest.Builder to(String path) {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(base + path));
        return token.isEmpty() ? request : request.header("Authorization", "Bearer " + token);
    }

    static HttpRequest.Builder get(String path) {
        return to(path).GET();
    }

    static String send(HttpRequest.Builder request) throws Exception {
        return http.send(request.build(), BodyHandlers.ofString()).body();
    }

    /** The errors of REST stand in the body, whatever the status is. */
    static void call(String step, HttpRequest.Builder request) throws Exception {
        String answer = send(request);
        if (field(answer, "success").equals("true")) {
            System.out.printf("{\"step\":\"%s\",\"result\":{\"id\":\"%s\",\"email\":\"%s\",\"status\":\"%s\",\"code\":\"%s\"}}%n", step,
                    field(answer, "id"), field(answer, "email"), field(answer, "status"), field(answer, "code"));
        } else {
            System.out.printf("{\"step\":\"%s\",\"fault\":{\"class\":\"errors\",\"code\":\"%s\",\"text\":\"%s\"}}%n", step,
                    field(answer, "code"), field(answer, "message"));
        }
    }

    /** The JDK has no JSON; the answers here are flat enough for this. */
    static String field(String json, String name) {
        Matcher m = Pattern.compile("\"" + name + "\"\\s*:\\s*\"?([^\",}]*)").matcher(json);
        return m.find() ? m.group(1) : "";
    }
}
