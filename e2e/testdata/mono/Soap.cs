// Makes a few calls with WCF. Prints a line of JSON for each: {"step", "result"} or {"step", "fault"}.
//
// Arguments: endpoint, user, key. WCF reads no WSDL at run time: it calls the address of its configuration.
// It is WCF's channel and its messages without a typed contract: Mono's contracts know no [XmlSerializerFormat] headers, and fail
// on details of a fault that are not their own.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Security.Cryptography;
using System.ServiceModel;
using System.ServiceModel.Channels;
using System.Text;
using System.Xml;

class AuthenticationHeader : MessageHeader
{
    readonly KeyValuePair<string, string>[] children;

    public AuthenticationHeader(params KeyValuePair<string, string>[] children) { this.children = children; }
    public override string Name { get { return "AuthenticationHeader"; } }
    public override string Namespace { get { return Program.NS; } }

    protected override void OnWriteHeaderContents(XmlDictionaryWriter w, MessageVersion version)
    {
        foreach (var child in children) w.WriteElementString(child.Key, "", child.Value);
    }
}

static class Program
{
    public const string NS = "http://www.marketo.com/mktows/";
    static string user, key;

    static KeyValuePair<string, string> Pair(string name, string value) { return new KeyValuePair<string, string>(name, value); }

    static MessageHeader Authentication(int age)
    {
        var timestamp = DateTimeOffset.UtcNow.AddSeconds(-age).ToString("yyyy-MM-dd'T'HH:mm:sszzz");
        using (var mac = new HMACSHA1(Encoding.ASCII.GetBytes(key)))
        {
            var signature = string.Concat(mac.ComputeHash(Encoding.ASCII.GetBytes(timestamp + user)).Select(b => b.ToString("x2")));
            return new AuthenticationHeader(Pair("mktowsUserId", user), Pair("requestSignature", signature), Pair("requestTimestamp", timestamp));
        }
    }

    static string Json(params KeyValuePair<string, string>[] o)
    {
        return "{" + string.Join(", ", o.Select(p => "\"" + p.Key + "\": \"" + p.Value.Replace("\\", "\\\\").Replace("\"", "\\\"").Replace("\n", "\\n") + "\"")) + "}";
    }

    static void Call(IRequestChannel port, string step, string operation, string body, Func<XmlElement, KeyValuePair<string, string>[]> read, int age = 0, string fail = "")
    {
        string what;
        try
        {
            var request = Message.CreateMessage(MessageVersion.Soap11, NS + operation, XmlReader.Create(new StringReader(body)));
            request.Headers.Add(Authentication(age));
            if (fail != "")
            {
                var http = new HttpRequestMessageProperty();
                http.Headers["Marketo-Emulator-Fail"] = fail;
                request.Properties[HttpRequestMessageProperty.Name] = http;
            }
            var reply = port.Request(request);
            if (reply.IsFault) throw new FaultException(MessageFault.CreateFault(reply, 1 << 16));
            var document = new XmlDocument();
            document.Load(reply.GetReaderAtBodyContents());
            what = "\"result\": " + Json(read(document.DocumentElement));
        }
        catch (FaultException e)
        {
            var fault = e.CreateMessageFault();
            var code = "";
            if (fault.HasDetail)
            {
                var detail = new XmlDocument();
                detail.Load(fault.GetReaderAtDetailContents());
                code = First(detail.DocumentElement, "code");
            }
            what = "\"fault\": " + Json(Pair("class", e.GetType().Name), Pair("code", e.Code.Name), Pair("text", e.Message), Pair("detail", code));
        }
        catch (CommunicationException e)
        {
            what = "\"fault\": " + Json(Pair("class", e.GetType().Name), Pair("text", e.Message));
        }
        Console.WriteLine("{\"step\": \"" + step + "\", " + what + "}");
    }

    static string First(XmlElement e, string name) { return e.GetElementsByTagName(name)[0].InnerText; }

    static KeyValuePair<string, string>[] Lead(XmlElement e)
    {
        var read = new List<KeyValuePair<string, string>> { Pair("id", First(e, "Id")), Pair("email", First(e, "Email")) };
        foreach (XmlElement a in e.GetElementsByTagName("attribute")) read.Add(Pair(First(a, "attrName"), First(a, "attrValue")));
        return read.ToArray();
    }

    static KeyValuePair<string, string>[] Status(XmlElement e) { return new[] { Pair("status", First(e, "status")), Pair("leadId", First(e, "leadId")) }; }

    static string By(string email)
    {
        return "<m:paramsGetLead xmlns:m='" + NS + "'><leadKey><keyType>EMAIL</keyType><keyValue>" + email + "</keyValue></leadKey></m:paramsGetLead>";
    }

    static void Main(string[] args)
    {
        user = args[1];
        key = args[2];
        var binding = new BasicHttpBinding(args[0].StartsWith("https:") ? BasicHttpSecurityMode.Transport : BasicHttpSecurityMode.None);
        var factory = binding.BuildChannelFactory<IRequestChannel>(new BindingParameterCollection());
        factory.Open();
        var port = factory.CreateChannel(new EndpointAddress(args[0]));
        port.Open();
        var sync = "<m:paramsSyncLead xmlns:m='" + NS + "'><leadRecord><Email>toolkit@example.com</Email><leadAttributeList><attribute>" +
            "<attrName>FirstName</attrName><attrValue>Grace &amp; Co</attrValue></attribute></leadAttributeList></leadRecord>" +
            "<returnLead>false</returnLead></m:paramsSyncLead>";
        Call(port, "syncLead", "syncLead", sync, Status);
        Call(port, "getLead", "getLead", By("toolkit@example.com"), Lead);
        Call(port, "unknown", "getLead", By("nobody@example.com"), Lead);
        Call(port, "expired", "getLead", By("toolkit@example.com"), Lead, age: 3600);
        Call(port, "reset", "getLead", By("toolkit@example.com"), Lead, fail: "reset");
        Call(port, "partial", "syncLead", sync, Status, fail: "partial");
        Console.WriteLine("{\"step\": \"location\", \"result\": {\"url\": \"" + port.RemoteAddress.Uri + "\"}}");
    }
}
